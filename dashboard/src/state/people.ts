// What every view needs: the account's inboxes, whose health changes at any time, and its agents, who hardly do.
import { useQuery } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { client } from '../api/client'
import { useSession } from './session'

const MINUTES = 60_000

export function useInboxes() {
  const { account, path } = useSession()
  const query = useQuery({
    queryKey: computed(() => ['account', account.value, 'inboxes']),
    queryFn: async () => (await client.GET('/api/v1/accounts/{account_id}/inboxes', { params: { path: path.value } })).payload,
    staleTime: 5 * MINUTES,
  })
  return { ...query, inboxes: computed(() => query.data.value ?? []) }
}

export function useAgents() {
  const { account, path } = useSession()
  const query = useQuery({
    queryKey: computed(() => ['account', account.value, 'agents']),
    queryFn: () => client.GET('/api/v1/accounts/{account_id}/agents', { params: { path: path.value } }),
    staleTime: 5 * MINUTES,
  })
  return { ...query, agents: computed(() => query.data.value ?? []) }
}

/** Who may take a conversation of an inbox. */
export function useAssignable(inbox: Ref<number | null>) {
  const { account, path } = useSession()
  const query = useQuery({
    queryKey: computed(() => ['account', account.value, 'assignable', inbox.value]),
    enabled: computed(() => inbox.value !== null),
    queryFn: async () =>
      (await client.GET('/api/v1/accounts/{account_id}/assignable_agents', { params: { path: path.value, query: { 'inbox_ids[]': [inbox.value!] } } })).payload,
    staleTime: 5 * MINUTES,
  })
  return computed(() => query.data.value ?? [])
}
