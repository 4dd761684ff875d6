// What was said in a conversation, and what is just being said: a reply stands there from the moment it is sent, and says so when it did not get through.
import { useInfiniteQuery, useQueryClient, type InfiniteData, type QueryClient } from '@tanstack/vue-query'
import { computed, reactive, type Ref } from 'vue'
import { client, post, wordsOf } from '../api/client'
import { mailOf, type Message } from '../api/types'
import { readAgain } from './again'
import { keys } from './conversations'
import { stream } from './network'
import { useSession } from './session'

const PER_PAGE = 20
type Pages = InfiniteData<Message[], number | null>

export function useMessages(id: Ref<number | null>) {
  const { account, path } = useSession()
  const query = useInfiniteQuery({
    queryKey: computed(() => keys.messages(account.value, id.value ?? 0)),
    enabled: computed(() => id.value !== null),
    initialPageParam: null as number | null,
    queryFn: async ({ pageParam, signal }) => {
      const answer = await client.GET('/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages', {
          params: { path: { ...path.value, conversation_id: id.value! }, query: pageParam ? { before: pageParam } : {} },
          signal,
        })
      return answer.payload
    },
    getNextPageParam: (page: Message[]) => (page.length < PER_PAGE ? undefined : page[0]?.id),
    // The net under the stream of events.
    refetchInterval: ({ state }) => (stream.value === 'open' ? false : state.data?.pages[0]?.some((one) => ['queued', 'sending'].includes(one.delivery?.state ?? '')) ? 2000 : 15_000),
  })
  return { ...query, messages: computed(() => (query.data.value?.pages ?? []).slice().reverse().flat()) }
}

/** A message that is new or has changed. Messages sort by when they were sent; one that is older than what is loaded waits until it is scrolled to. */
export function putMessage(queries: QueryClient, account: number, message: Message) {
  queries.setQueryData<Pages>(keys.messages(account, message.conversation_id), (data) => data && { ...data, pages: withMessage(data.pages, message) })
}

// How often the stream has told of each message: an answer that it has overtaken is older.
const told = new Map<number, number>()
const timesTold = (id: number) => told.get(id) ?? 0

/** A message of which the stream of events tells. */
export function hearMessage(queries: QueryClient, account: number, message: Message) {
  told.set(message.id, timesTold(message.id) + 1)
  putMessage(queries, account, message)
  readAgain(queries, keys.messages(account, message.conversation_id))
}

/** A message that was answered to a call, before which the stream had told of it so often. */
export function answerMessage(queries: QueryClient, account: number, message: Message, before: number) {
  if (timesTold(message.id) === before) putMessage(queries, account, message)
}

export function withMessage(pages: readonly Message[][], message: Message): Message[][] {
  if (pages.some((page) => page.some(({ id }) => id === message.id))) {
    return pages.map((page) => page.map((one) => (one.id === message.id ? { ...one, ...message } : one)))
  }
  const [latest = [], ...older] = pages
  const after = (one: Message) => one.created_at > message.created_at || (one.created_at === message.created_at && one.id > message.id)
  const at = latest.findIndex(after)
  if (at === 0 && older.length > 0) return [...pages]
  const placed = at < 0 ? [...latest, message] : [...latest.slice(0, at), message, ...latest.slice(at)]
  return [placed, ...older]
}

export interface Draft {
  content: string
  private: boolean
  to: string[]
  cc: string[]
  bcc: string[]
  files: File[]
}
/** What is written anew of a message that was taken back or failed: for whoever does not have it. Its files are chosen anew. */
export function rewritten(message: Message): Partial<Draft> {
  const have = new Set(message.delivery?.accepted_recipients.map((address) => address.toLowerCase()))
  const others = (list: string[] = []) => list.filter((address) => !have.has(address.toLowerCase()))
  const { to_emails, cc_emails, bcc_emails } = mailOf(message)
  return { content: message.content ?? '', to: others(to_emails), cc: others(cc_emails), bcc: others(bcc_emails) }
}
export interface Outgoing extends Draft {
  /** Idempotency-Key and echo_id: however often it is tried, it is one message. */
  key: string
  conversation: number
  at: number
  error: string | null
}
/** On their way to the server, or not taken by it. */
export const outbox = reactive<Outgoing[]>([])
// What the server has not taken is nowhere else: the browser asks before it is gone.
addEventListener('beforeunload', (event) => outbox.length > 0 && event.preventDefault())
const forget = (key: string) => {
  const at = outbox.findIndex((one) => one.key === key)
  if (at >= 0) outbox.splice(at, 1)
}

/** `delay`: seconds during which it can be taken back. */
export function useSend() {
  const { account } = useSession()
  const queries = useQueryClient()

  async function attempt(sent: Outgoing, delay: number): Promise<Message | null> {
    const waiting = outbox.find((one) => one.key === sent.key)
    if (waiting) waiting.error = null
    const form = new FormData()
    form.set('content', sent.content)
    form.set('private', String(sent.private))
    form.set('echo_id', sent.key)
    if (!sent.private) {
      if (sent.to.length > 0) form.set('to_emails', sent.to.join(','))
      form.set('cc_emails', sent.cc.join(','))
      form.set('bcc_emails', sent.bcc.join(','))
      if (delay > 0) form.set('delay_seconds', String(delay))
    }
    for (const file of sent.files) form.append('attachments[]', file, file.name)
    try {
      const message = await post<Message>(`/api/v1/accounts/${account.value}/conversations/${sent.conversation}/messages`, form, { 'idempotency-key': sent.key })
      answerMessage(queries, account.value, message, 0)
      forget(sent.key)
      return message
    } catch (error) {
      const kept = outbox.find((one) => one.key === sent.key)
      if (kept) kept.error = wordsOf(error)
      return null
    }
  }

  return {
    send: (conversation: number, draft: Draft, delay = 0) => {
      const sent: Outgoing = { ...draft, key: crypto.randomUUID(), conversation, at: Math.floor(Date.now() / 1000), error: null }
      outbox.push(sent)
      return attempt(sent, delay)
    },
    again: (sent: Outgoing) => attempt(sent, 0),
    discard: (sent: Outgoing) => forget(sent.key),
  }
}

/** The ways to mend a message that has not left. */
export function useDeliveryActions() {
  const { account, path } = useSession()
  const queries = useQueryClient()
  const at = (message: Message) => ({ path: { ...path.value, conversation_id: message.conversation_id, message_id: message.id } })
  const base = '/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages/{message_id}' as const
  const keep = async ({ id }: Message, call: Promise<Message>) => {
    const before = timesTold(id)
    const message = await call
    answerMessage(queries, account.value, message, before)
    return message
  }
  return {
    retry: (message: Message, regardless = false) => keep(message, client.POST(`${base}/retry`, { params: { ...at(message), query: regardless ? { regardless } : {} } })),
    cancel: (message: Message) => keep(message, client.POST(`${base}/cancel`, { params: at(message) })),
    resolve: (message: Message, sent: boolean) => keep(message, client.POST(`${base}/resolve`, { params: at(message), body: { sent } })),
    remove: (message: Message) => keep(message, client.DELETE(base, { params: at(message) })),
  }
}
