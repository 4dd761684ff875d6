// What happens elsewhere, as it happens. One tab holds the stream and tells the others; when it goes, another goes on where it was.
import { useQueryClient } from '@tanstack/vue-query'
import { onScopeDispose, reactive, toRaw, watch, type Ref } from 'vue'
import { useRouter } from 'vue-router'
import { client } from '../api/client'
import type { Message } from '../api/types'
import { readAgain, readAllAgain } from './again'
import { keys, put } from './conversations'
import { hearMessage } from './messages'
import { stream } from './network'
import { useSession } from './session'

export interface Happened {
  name: string
  data: Record<string, unknown>
  id: string
}
type People = { id: number; name: string }[]
type Told = { kind: 'event'; event: Happened } | { kind: 'state'; state: typeof stream.value; viewers?: [number, People][] } | { kind: 'hello' }

const NAMES = [
  'message.created', 'message.updated', 'conversation.created', 'conversation.updated', 'conversation.status_changed', 'conversation.deleted', 'assignee.changed', 'team.changed',
  'contact.created', 'contact.updated', 'contact.merged', 'contact.deleted', 'inbox.created', 'inbox.updated', 'inbox.deleted', 'inbox.health_changed', 'inbox.health_notice', 'connection.updated', 'delivery.updated',
  'notification.created', 'notification.updated', 'notification.deleted', 'conversation.typing_on', 'conversation.typing_off', 'conversation.viewing', 'presence.update',
  'connect.link_updated', 'oauth.app_health_changed', 'oauth.app_credential_ending', 'reset', 'ready',
] as const

const HARDLY_CHANGES = new Set(['agents', 'assignable', 'organising', 'views', 'itself'])

/** Who is here: the conversation's readers, oneself among them, and who else is writing in it. By conversation. */
export const viewers = reactive(new Map<number, People>())
export const typists = reactive(new Map<number, Map<number, string>>())
/** Who writes says so every few seconds; who is not heard any more has stopped, or their computer has. */
const SILENT_AFTER = 12_000
const heardOf = new Map<string, ReturnType<typeof setTimeout>>()
function writes(conversation: number, user: number, name: string | null) {
  const here = typists.get(conversation) ?? typists.set(conversation, new Map()).get(conversation)!
  const key = `${conversation} ${user}`
  clearTimeout(heardOf.get(key))
  heardOf.delete(key)
  if (name === null) return void here.delete(user)
  here.set(user, name)
  heardOf.set(key, setTimeout(() => writes(conversation, user, null), SILENT_AFTER))
}

/** Holds the stream while this tab is the one that does, and listens to that tab otherwise. */
class Stream {
  private readonly channel: BroadcastChannel
  private readonly ended = new AbortController()
  private source: EventSource | null = null
  private last = ''
  private retryAfter = 1000

  constructor(
    private readonly account: number,
    private readonly then: (event: Happened) => void,
  ) {
    this.channel = new BroadcastChannel(`postroom.events.${account}`)
    this.channel.onmessage = ({ data }: MessageEvent<Told>) => {
      if (data.kind === 'event') this.take(data.event)
      else if (data.kind === 'state') {
        stream.value = data.state
        for (const [id, people] of data.viewers ?? []) viewers.set(id, people)
      }
      // The server says who looks at what when a stream begins; this one began before the other tab was there.
      else if (this.source) this.channel.postMessage({ kind: 'state', state: stream.value, viewers: [...toRaw(viewers)].map(([id, people]) => [id, toRaw(people)]) } satisfies Told)
    }
    this.channel.postMessage({ kind: 'hello' } satisfies Told)
    const hold = () => new Promise<void>((done) => {
      this.ended.signal.addEventListener('abort', () => done())
      this.connect()
    })
    navigator.locks.request(`postroom.events.${account}`, { signal: this.ended.signal }, hold).catch(() => {})
  }

  get isHeldHere() {
    return this.source !== null
  }

  private tell(state: typeof stream.value) {
    stream.value = state
    this.channel.postMessage({ kind: 'state', state } satisfies Told)
  }

  private take(event: Happened) {
    if (event.id) this.last = event.id
    this.then(event)
  }

  private connect() {
    if (this.ended.signal.aborted) return
    if (stream.value !== 'lost') this.tell('connecting')
    const after = this.last ? `?last_event_id=${encodeURIComponent(this.last)}` : ''
    const source = new EventSource(`/api/v1/accounts/${this.account}/events${after}`)
    this.source = source
    source.onopen = () => {
      this.retryAfter = 1000
      this.tell('open')
    }
    for (const name of NAMES) {
      source.addEventListener(name, (message) => {
        const event: Happened = { name, id: message.lastEventId, data: JSON.parse(message.data as string) as Record<string, unknown> }
        this.channel.postMessage({ kind: 'event', event } satisfies Told)
        this.take(event)
      })
    }
    source.onerror = () => {
      // A stream that was refused is closed for good, and one that broke comes back by itself; doing it ourselves makes the two one.
      source.close()
      if (this.ended.signal.aborted) return
      this.tell('lost')
      setTimeout(() => this.connect(), this.retryAfter * (0.75 + Math.random() / 2))
      this.retryAfter = Math.min(this.retryAfter * 2, 15_000)
    }
  }

  end() {
    this.ended.abort()
    this.source?.close()
    this.channel.close()
  }
}

/** Keeps everything that is shown true while this view stands. */
export function useLive(account: Ref<number>) {
  const queries = useQueryClient()
  const router = useRouter()
  const { profile, path } = useSession()
  let pending = new Set<number>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let looked = Promise.resolve()
  let running: Stream | null = null
  let isFirst = true

  const openNow = () => Number(/conversations\/(\d+)/.exec(location.pathname)?.[1]) || null
  const all = () => void queries.invalidateQueries({ queryKey: keys.account(account.value) })
  // What was read before the stream began may have changed meanwhile, and is read once more. Names that hardly ever change are read again when
  // somebody next looks for them.
  const once = () => readAllAgain(queries, keys.account(account.value), ([, , what]) => (what === 'counts' ? null : HARDLY_CHANGES.has(String(what)) ? 'none' : 'active'))

  // Several events about one conversation, or a flood of them, cost one look each, or one at the lists.
  async function refresh() {
    const ids = [...pending]
    pending = new Set()
    void queries.invalidateQueries({ queryKey: keys.counts(account.value) })
    // Without knowing who one is, one does not know what is one's own.
    if (ids.length > 8 || !profile.value) return void queries.invalidateQueries({ queryKey: keys.lists(account.value) })
    for (const id of ids) {
      const at = { path: { ...path.value, conversation_id: id } }
      await client.GET('/api/v1/accounts/{account_id}/conversations/{conversation_id}', { params: at })
        .then((conversation) => put(queries, account.value, conversation, profile.value?.id ?? 0, openNow()))
        .catch(() => void queries.invalidateQueries({ queryKey: keys.lists(account.value) }))
    }
  }
  function touch(id: unknown) {
    if (typeof id !== 'number') return
    pending.add(id)
    clearTimeout(timer)
    // One after the other: of two answers about one conversation, the later is the newer.
    timer = setTimeout(() => (looked = looked.then(refresh)), 120)
  }

  // Told by the tab that holds the stream, for all of them.
  function onDevice(told: unknown) {
    if (!told || !running?.isHeldHere) return
    const wanted = () => queries.fetchQuery({ queryKey: keys.notificationSettings(account.value), queryFn: () => client.GET('/api/v1/accounts/{account_id}/notification_settings', { params: { path: path.value } }), staleTime: 60_000 })
    const open = (conversation: number) => void router.push({ name: 'desk', params: { account: account.value, conversation } })
    void import('./devices').then(({ show }) => show(told as Parameters<typeof show>[0], async () => (await wanted()).selected_push_flags, open)).catch(() => {})
  }

  function happened({ name, data }: Happened) {
    const conversation = data.conversation as { id?: number } | undefined
    // Who looks at what is told anew to whoever begins to follow.
    if (name === 'reset' || name === 'ready') viewers.clear()
    if (name === 'reset') return all()
    if (name === 'ready') return isFirst ? void ((isFirst = false), once()) : undefined
    if (name.startsWith('message.') || name === 'delivery.updated') {
      const id = data.conversation_id as number
      if (data.shortened) {
        void queries.invalidateQueries({ queryKey: keys.messages(account.value, id) })
        readAgain(queries, keys.messages(account.value, id))
      } else hearMessage(queries, account.value, data as unknown as Message)
      const sender = data.sender as { id?: number; type?: string } | undefined
      if (sender?.type === 'user') writes(id, sender.id!, null)
      return touch(id)
    }
    if (name === 'conversation.typing_on' || name === 'conversation.typing_off') {
      const user = data.user as { id: number; name: string; type?: string }
      if (!conversation?.id || user.id === profile.value?.id) return
      return writes(conversation.id, user.id, name === 'conversation.typing_on' ? user.name : null)
    }
    if (name === 'conversation.viewing') return void viewers.set(conversation?.id ?? 0, data.users as People)
    if (name.startsWith('conversation.') || name === 'assignee.changed' || name === 'team.changed') return touch(data.id)
    if (name === 'connection.updated') return void queries.invalidateQueries({ queryKey: keys.account(account.value), predicate: ({ queryKey }) => queryKey[2] === 'connection' || queryKey[2] === 'connections' })
    if (name.startsWith('inbox.')) return void queries.invalidateQueries({ queryKey: ['account', account.value, 'inboxes'] })
    if (name.startsWith('label.') || name.startsWith('team.')) return void queries.invalidateQueries({ queryKey: ['account', account.value, 'organising'] })
    if (name === 'connect.link_updated') return void queries.invalidateQueries({ queryKey: ['account', account.value, 'connect-links'] })
    if (name.startsWith('oauth.')) return void queries.invalidateQueries({ queryKey: ['account', account.value, 'apps'] })
    if (name.startsWith('contact.')) return void queries.invalidateQueries({ queryKey: ['account', account.value, 'contact'] })
    if (name === 'notification.created') onDevice(data.notification)
    if (name.startsWith('notification.')) return void queries.invalidateQueries({ queryKey: ['account', account.value, 'notifications'] })
    if (name === 'presence.update') void queries.invalidateQueries({ queryKey: ['account', account.value, 'agents'] })
  }

  watch(account, (id) => {
    running?.end()
    isFirst = true
    // Conversations have the same numbers in every account.
    viewers.clear()
    typists.clear()
    running = id ? new Stream(id, happened) : null
  }, { immediate: true })
  // A stream that was away too long is told to look at everything again; a tab that slept looks by itself.
  watch(stream, (state, before) => state === 'open' && before === 'lost' && all())
  onScopeDispose(() => {
    running?.end()
    clearTimeout(timer)
  })
}
