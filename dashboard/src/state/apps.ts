// The account's own OAuth apps at Microsoft.
import { useQuery } from '@tanstack/vue-query'
import { computed, ref } from 'vue'
import { client } from '../api/client'
import { useSession } from './session'

export const APPS = '/api/v1/accounts/{account_id}/oauth_apps'

/** Only administrators may ask. */
export function useApps(enabled = ref(true)) {
  const { account, path } = useSession()
  return useQuery({
    queryKey: computed(() => ['account', account.value, 'apps']),
    enabled,
    queryFn: async () => (await client.GET(APPS, { params: { path: path.value } })).payload,
    // Who signs in through an app changes without a word about the app.
    staleTime: 2000,
  })
}
