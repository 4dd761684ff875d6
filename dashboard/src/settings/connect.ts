// Signing in with Microsoft: the person goes to Microsoft in another tab, and this page follows how far they have come.
import { useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed, ref, watch, type Ref } from 'vue'
import { client } from '../api/client'
import type { components } from '../api/schema'
import type { Connection, Inbox } from '../api/types'
import { useSession } from '../state/session'
import { useChange } from './change'

/** `oauth_app_id`: null is the installation's own. */
export type Begin = Omit<components['schemas']['MicrosoftAuthorization'], 'oauth_app_id'> & { oauth_app_id?: number | null }
type Started = components['schemas']['MicrosoftAuthorizationStarted']
export type Connecting = ReturnType<typeof useConnecting>

const UNDER_WAY: Connection['status'][] = ['pending', 'awaiting_confirmation', 'awaiting_address', 'awaiting_admin_consent', 'awaiting_handover', 'awaiting_acceptance', 'proving']
/** People take days for these. */
const WAITS: Connection['status'][] = ['awaiting_admin_consent', 'awaiting_handover', 'awaiting_acceptance']

/** What the mailbox of an attempt is called. */
export const nameOf = (one: Connection | undefined, inboxes: Inbox[]) => inboxes.find(({ id }) => id === one?.inbox_id)?.name ?? one?.mailbox ?? one?.email ?? 'A mailbox'

/** `isFollowed`: how far it has come is asked again and again. */
export function useConnection(id: Ref<number | null>, isFollowed = false) {
  const { account, path } = useSession()
  const key = computed(() => ['account', account.value, 'connection', id.value])
  const at = computed(() => ({ params: { path: { ...path.value, connection_id: id.value! } } }))
  const { data, error } = useQuery({
    queryKey: key,
    enabled: computed(() => id.value !== null),
    queryFn: () => client.GET('/api/v1/accounts/{account_id}/connections/{connection_id}', at.value),
    refetchInterval: ({ state: { data } }) => (!isFollowed ? false : !data ? 1500 : WAITS.includes(data.status) ? 5000 : UNDER_WAY.includes(data.status) ? 1500 : false),
    // The person is in another tab while this one waits.
    refetchIntervalInBackground: isFollowed,
  })
  return { data, error, key, at }
}

/** `id`: an attempt that was begun before. */
export function useConnecting(id = ref<number | null>(null)) {
  const { account, path } = useSession()
  const queries = useQueryClient()
  const url = ref('')
  const { busy, run } = useChange('connection')
  const { data, error, key, at } = useConnection(id, true)
  watch(() => data.value?.status, (status) => {
    if (status === 'connected') void queries.invalidateQueries({ queryKey: ['account', account.value, 'inboxes'] })
    if (status) void queries.invalidateQueries({ queryKey: ['account', account.value, 'connections'] })
  })

  /** The tab is opened before anything is asked: a browser lets a click open one, not an answer. */
  async function open(ask: () => Promise<Started>) {
    const tab = window.open('about:blank', '_blank')
    const done = await run(async () => {
      const started = await ask()
      id.value = started.connection_id
      url.value = started.url
      if (tab) {
        tab.opener = null
        tab.location.href = started.url
      }
    })
    if (!done) tab?.close()
  }
  const start = (body: Begin) => open(() => client.POST('/api/v1/accounts/{account_id}/microsoft/authorization', { params: { path: path.value }, body: body as components['schemas']['MicrosoftAuthorization'] }))
  /** It was approved, as far as anybody knows: the same attempt, with a new sign-in that shows it. */
  const resume = () => open(() => client.POST('/api/v1/accounts/{account_id}/connections/{connection_id}/resume', at.value))
  const handOver = () => run(async () => queries.setQueryData(key.value, await client.POST('/api/v1/accounts/{account_id}/connections/{connection_id}/handover', at.value)))
  const accept = () => run(async () => queries.setQueryData(key.value, await client.POST('/api/v1/accounts/{account_id}/connections/{connection_id}/accept', at.value)))
  /** Another mailbox with the permission of an inbox: nobody goes anywhere. */
  const share = (inbox: number, mailbox: string) => run(async () => {
    const connection = await client.POST('/api/v1/accounts/{account_id}/inboxes/{inbox_id}/shared_mailboxes', { params: { path: { ...path.value, inbox_id: inbox } }, body: { mailbox } })
    url.value = ''
    id.value = connection.id
    queries.setQueryData(key.value, connection)
  })
  return { start, resume, handOver, accept, share, busy, connection: data, error, url, id, isUnderWay: computed(() => id.value !== null && (!data.value || UNDER_WAY.includes(data.value.status))) }
}
