// The account's webhooks.
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { client } from '../api/client'
import { useSession } from '../state/session'

export const WEBHOOKS = '/api/v1/accounts/{account_id}/webhooks'

export function useWebhooks() {
  const { account, path } = useSession()
  return useQuery({
    queryKey: computed(() => ['account', account.value, 'webhooks', 'list']),
    queryFn: async () => (await client.GET(WEBHOOKS, { params: { path: path.value } })).payload.webhooks,
  })
}
