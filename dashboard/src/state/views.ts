// Saved views: conditions under a name, each person's own.
import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { client } from '../api/client'
import type { FilterCondition, View } from '../api/types'
import { useSession } from './session'

export const VIEWS = '/api/v1/accounts/{account_id}/custom_filters'

export function useViews() {
  const { account, path } = useSession()
  const query = useQuery({
    queryKey: computed(() => ['account', account.value, 'views']),
    queryFn: () => client.GET(VIEWS, { params: { path: path.value, query: { filter_type: 'conversation' } } }),
    staleTime: 5 * 60_000,
  })
  return {
    views: computed(() => query.data.value ?? []),
    /** Whether the server has no view of this number: deleted, or somebody else's. */
    isGone: (id: number) => query.isSuccess.value && !query.isFetching.value && !query.data.value?.some((one) => one.id === id),
  }
}

/** What another client saved may have another shape: then it has no conditions that this page knows. */
export function conditionsOf(view: View): FilterCondition[] {
  const { payload } = view.query as { payload?: unknown }
  return Array.isArray(payload) ? (payload as FilterCondition[]) : []
}
