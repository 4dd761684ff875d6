// Attempts to connect that wait for somebody, for days if need be: every administrator sees them, whoever began them.
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { client } from '../api/client'
import { useSession } from '../state/session'

const STATES = ['awaiting_admin_consent', 'awaiting_handover', 'awaiting_acceptance'] as const

export function useWaiting() {
  const { account, path } = useSession()
  const { data, error } = useQuery({
    queryKey: computed(() => ['account', account.value, 'connections', 'waiting']),
    queryFn: async () => (await Promise.all(STATES.map((status) => client.GET('/api/v1/accounts/{account_id}/connections', { params: { path: path.value, query: { status } } })))).flatMap(({ payload }) => payload).sort((a, b) => b.id - a.id),
    refetchInterval: 30_000,
  })
  return { waiting: computed(() => data.value ?? []), error }
}
