// What is read once more, and when.
import { afterEach, expect, it, vi } from 'vitest'
import { QueryClient, QueryObserver, type QueryKey } from '@tanstack/vue-query'
import { readAgain, readAllAgain } from '../src/state/again'

const clients: QueryClient[] = []
afterEach(() => {
  for (const client of clients.splice(0)) client.clear()
})

/** Something that somebody looks at, whose answers come when the test says so. */
function looked(queries: QueryClient, queryKey: QueryKey) {
  const answers: ((data: string) => void)[] = []
  new QueryObserver(queries, { queryKey, queryFn: () => new Promise<string>((done) => answers.push(done)), retry: false }).subscribe(() => {})
  return { asked: () => answers.length, answer: (data: string) => answers.at(-1)!(data), shown: () => queries.getQueryData(queryKey), isStale: () => queries.getQueryState(queryKey)?.isInvalidated }
}
function client() {
  const queries = new QueryClient()
  clients.push(queries)
  return queries
}
const settled = () => new Promise((done) => setTimeout(done, 20))
const ALL = ['account', 1]
const when = ([, , what]: QueryKey) => (what === 'counts' ? null : what === 'agents' ? 'none' : 'active') as 'active' | 'none' | null

it('what is being read when the stream begins is let come, and then read once more', async () => {
  const queries = client()
  const list = looked(queries, ['account', 1, 'lists'])
  readAllAgain(queries, ALL, when)
  await settled()
  expect(list.asked()).toBe(1)
  list.answer('before')
  await vi.waitFor(() => expect(list.asked()).toBe(2))
  expect(list.shown()).toBe('before')
  list.answer('after')
  await vi.waitFor(() => expect(list.shown()).toBe('after'))
  await settled()
  expect(list.asked()).toBe(2)
})
it('what came before is read once more at once, whatever else is still on its way', async () => {
  const queries = client()
  const [list, slow] = [looked(queries, ['account', 1, 'lists']), looked(queries, ['account', 1, 'inboxes'])]
  list.answer('before')
  await vi.waitFor(() => expect(list.shown()).toBe('before'))
  readAllAgain(queries, ALL, when)
  await vi.waitFor(() => expect(list.asked()).toBe(2))
  expect(slow.asked()).toBe(1)
})
it('an answer under way to a second reading is let come, too', async () => {
  const queries = client()
  const list = looked(queries, ['account', 1, 'lists'])
  list.answer('first')
  await vi.waitFor(() => expect(list.shown()).toBe('first'))
  void queries.refetchQueries({ queryKey: ALL })
  expect(list.asked()).toBe(2)
  readAllAgain(queries, ALL, when)
  await settled()
  expect(list.asked()).toBe(2)
  list.answer('second')
  await vi.waitFor(() => expect(list.asked()).toBe(3))
  expect(list.shown()).toBe('second')
})
it('names that hardly change wait until somebody looks for them, and counts are left alone', async () => {
  const queries = client()
  const [agents, late, counts] = [looked(queries, ['account', 1, 'agents', 'come']), looked(queries, ['account', 1, 'agents', 'coming']), looked(queries, ['account', 1, 'counts'])]
  agents.answer('names')
  counts.answer('3')
  await vi.waitFor(() => expect([agents.shown(), counts.shown()]).toEqual(['names', '3']))
  readAllAgain(queries, ALL, when)
  late.answer('names')
  await settled()
  expect([agents.asked(), late.asked(), counts.asked()]).toEqual([1, 1, 1])
  expect([agents.isStale(), late.isStale(), counts.isStale()]).toEqual([true, true, false])
})
it('another account is not touched', async () => {
  const queries = client()
  const other = looked(queries, ['account', 2, 'lists'])
  other.answer('theirs')
  await vi.waitFor(() => expect(other.shown()).toBe('theirs'))
  readAllAgain(queries, ALL, when)
  await settled()
  expect([other.asked(), other.isStale()]).toEqual([1, false])
})
it('what was to wait is read at once if something happens to it meanwhile', async () => {
  const queries = client()
  const agents = looked(queries, ['account', 1, 'agents'])
  readAllAgain(queries, ALL, when)
  readAgain(queries, ['account', 1, 'agents'])
  readAllAgain(queries, ALL, when)
  agents.answer('names')
  await vi.waitFor(() => expect(agents.asked()).toBe(2))
})
