// What happens while something is being read may be missing from the answer, and the answer would then stand over what was told since.
import type { QueryClient, QueryKey } from '@tanstack/vue-query'

/** How it is read again: at once where it is looked at, or when somebody next looks for it. */
type When = 'active' | 'none'

const awaited = new Map<string, When>()

/** What is being read under this key at this moment is read once more when it has come; what `when` says nothing of, is not. */
export function readAgain(queries: QueryClient, queryKey: QueryKey, when: (queryKey: QueryKey) => When | null = () => 'active') {
  const cache = queries.getQueryCache()
  for (const query of cache.findAll({ queryKey, fetchStatus: 'fetching' })) {
    const { queryHash } = query
    const asked = when(query.queryKey)
    if (!asked) continue
    const before = awaited.get(queryHash)
    if (before !== 'active') awaited.set(queryHash, asked)
    if (before) continue
    const stop = cache.subscribe((event) => {
      if (event.query !== query || (event.type !== 'removed' && query.state.fetchStatus === 'fetching')) return
      stop()
      const refetchType = awaited.get(queryHash)!
      awaited.delete(queryHash)
      if (event.type !== 'removed') void queries.invalidateQueries({ queryKey: query.queryKey, exact: true, refetchType })
    })
  }
}

/** The same, and of what has come before, too. */
export function readAllAgain(queries: QueryClient, queryKey: QueryKey, when: (queryKey: QueryKey) => When | null) {
  // What is on its way is left alone: to ask anew at once would only make it come later.
  readAgain(queries, queryKey, when)
  for (const refetchType of ['active', 'none'] as const) {
    void queries.invalidateQueries({ queryKey, refetchType, predicate: (query) => query.state.fetchStatus !== 'fetching' && when(query.queryKey) === refetchType })
  }
}
