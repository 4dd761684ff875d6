// The one way to the server: typed by the API's own document, with one error for every refusal.
import type { paths } from './schema'

/** A refusal as docs/API.md describes it, or no answer at all (`status` 0). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly words: string,
    readonly code: string,
    readonly attributes: string[] = [],
    readonly requestId = '',
    readonly retryAfter: number | null = null,
  ) {
    super(words)
  }
  /** Nothing of it reached the server, or the server cannot serve at the moment: asking again is right. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

type Said = { error?: string; message?: string; errors?: string[]; code?: string; attributes?: string[]; request_id?: string }

let onSignedOut: () => void = () => {}
/** What happens when the server no longer knows who we are. */
export function whenSignedOut(then: () => void) {
  onSignedOut = then
}

async function sent(request: Request): Promise<Response> {
  let response: Response
  try {
    response = await fetch(request)
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw new Refusal(0, 'The server cannot be reached.', 'unreachable')
  }
  if (response.status === 401 && !request.url.includes('/auth/')) onSignedOut()
  return response
}

function refusal(response: Response, said: Said | undefined): Refusal {
  const words = said?.error ?? said?.message ?? said?.errors?.[0] ?? `The server answered ${response.status}.`
  const after = Number(response.headers.get('retry-after'))
  return new Refusal(response.status, words, said?.code ?? '', said?.attributes ?? [], said?.request_id ?? '', after > 0 ? after : null)
}

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type Taking<M extends Method> = { [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never }[keyof paths]
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : undefined
type Answer<Operation> = Operation extends { responses: { 200: infer Good } } ? Json<Good> : never
type Sent<Operation> = Operation extends { requestBody?: infer Request } ? NonNullable<Request> : never
type Body<Operation> = [Sent<Operation>] extends [never] ? { body?: undefined } : Sent<Operation> extends { content: { 'application/json': infer Json } } ? { body: Json } : { body?: undefined }
type Options<Operation> = Operation extends { parameters: { path?: infer Path; query?: infer Query } }
  ? { params?: { path?: Path; query?: Query }; headers?: Record<string, string>; signal?: AbortSignal } & Body<Operation>
  : never

/** `{name}` in a path, lists as `name=a&name=b`, and nothing for what is undefined. */
function address(path: string, at: Record<string, unknown> = {}, query: Record<string, unknown> = {}): URL {
  const url = new URL(path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(at[name]))), location.origin)
  for (const [name, value] of Object.entries(query)) for (const one of [value].flat()) if (one !== undefined && one !== null) url.searchParams.append(name, String(one))
  return url
}

interface Extra {
  headers?: Record<string, string>
  signal?: AbortSignal
}

async function asked<T>(method: string, url: URL, value: unknown, { headers, signal }: Extra): Promise<T> {
  const body = value === undefined ? undefined : JSON.stringify(value)
  // Small words reach the server although the page that says them goes.
  const keepalive = body !== undefined && body.length < 1000
  const response = await sent(new Request(url, { method, body, signal, keepalive, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers } }))
  const text = await response.text()
  const said: unknown = text ? JSON.parse(text) : undefined
  if (!response.ok) throw refusal(response, said as Said | undefined)
  return said as T
}

const call =
  <M extends Method>(method: M) =>
  <P extends Taking<M>>(path: P, options?: Options<paths[P][M]>): Promise<Answer<paths[P][M]>> => {
    const { params, body, ...rest } = (options ?? {}) as { params?: { path?: Record<string, unknown>; query?: Record<string, unknown> }; body?: unknown } & Extra
    return asked(method.toUpperCase(), address(path, params?.path, params?.query), body, rest)
  }

/** Every operation of the document: the answer of a 200, or a `Refusal` thrown. */
export const client = { GET: call('get'), POST: call('post'), PUT: call('put'), PATCH: call('patch'), DELETE: call('delete') }

/** For bodies that the document describes as forms: files. */
export async function post<T>(path: string, body: FormData, headers: Record<string, string> = {}): Promise<T> {
  const response = await sent(new Request(new URL(path, location.origin), { method: 'POST', body, headers }))
  const said: unknown = await response.json().catch(() => undefined)
  if (!response.ok) throw refusal(response, said as Said | undefined)
  return said as T
}

/** Words for a person, whatever was thrown. */
export function wordsOf(error: unknown): string {
  if (error instanceof Refusal) return error.words
  return error instanceof Error ? error.message : String(error)
}
