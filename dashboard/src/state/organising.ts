// Labels, teams and canned responses of the account.
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { client } from '../api/client'
import type { components } from '../api/schema'
import { useSession } from './session'

export type Label = components['schemas']['Label']
export type Team = components['schemas']['Team']
export type Canned = components['schemas']['CannedResponse']
const MINUTES = 60_000

export function useLabels() {
  const { account, path } = useSession()
  const query = useQuery({
    queryKey: computed(() => ['account', account.value, 'organising', 'labels']),
    queryFn: async () => (await client.GET('/api/v1/accounts/{account_id}/labels', { params: { path: path.value } })).payload,
    staleTime: 5 * MINUTES,
  })
  return computed(() => query.data.value ?? [])
}

export function useTeams() {
  const { account, path } = useSession()
  const query = useQuery({
    queryKey: computed(() => ['account', account.value, 'organising', 'teams']),
    queryFn: () => client.GET('/api/v1/accounts/{account_id}/teams', { params: { path: path.value } }),
    staleTime: 5 * MINUTES,
  })
  return computed(() => query.data.value ?? [])
}

export function useCanned() {
  const { account, path } = useSession()
  const query = useQuery({
    queryKey: computed(() => ['account', account.value, 'organising', 'canned']),
    queryFn: () => client.GET('/api/v1/accounts/{account_id}/canned_responses', { params: { path: path.value } }),
    staleTime: 5 * MINUTES,
  })
  return computed(() => query.data.value ?? [])
}
