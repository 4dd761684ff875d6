// What happens while something is being read may be missing from the answer, and the answer would then stand over what was told since.
import type { QueryClient, QueryKey } from '@tanstack/vue-query'

const awaited = new Set<string>()

/** What is being read under this key at this moment is read once more when it has come. */
export function readAgain(queries: QueryClient, queryKey: QueryKey) {
  const cache = queries.getQueryCache()
  for (const query of cache.findAll({ queryKey, fetchStatus: 'fetching' })) {
    if (awaited.has(query.queryHash)) continue
    awaited.add(query.queryHash)
    const stop = cache.subscribe((event) => {
      if (event.query !== query || (event.type !== 'removed' && query.state.fetchStatus === 'fetching')) return
      stop()
      awaited.delete(query.queryHash)
      if (event.type !== 'removed') void queries.invalidateQueries({ queryKey: query.queryKey, exact: true })
    })
  }
}
