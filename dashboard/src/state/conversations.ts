// Conversations: the list, the one that is open, and what is done to them. Changes show at once and are taken back when the server refuses.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient, type InfiniteData, type QueryClient } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'
import { client, wordsOf } from '../api/client'
import type { Agent, Conversation, ConversationPage, FilterCondition, Status } from '../api/types'
import { readAgain } from './again'
import { stream } from './network'
import type { Team } from './organising'
import { useSession } from './session'
import { flat, merged, type Filter } from './lists'
import { toast } from './toasts'

export const PER_PAGE = 25
/** So many pages are held at once, around what is looked at: one can scroll through a hundred thousand. */
const MOST_PAGES = 8
export const keys = {
  account: (account: number) => ['account', account] as const,
  lists: (account: number) => ['account', account, 'conversations'] as const,
  list: (account: number, filter: Filter, conditions: FilterCondition[] | null) => ['account', account, 'conversations', filter, conditions] as const,
  counts: (account: number) => ['account', account, 'counts'] as const,
  conversation: (account: number, id: number) => ['account', account, 'conversation', id] as const,
  messages: (account: number, id: number) => ['account', account, 'messages', id] as const,
  notificationSettings: (account: number) => ['account', account, 'notification-settings'] as const,
}

type Pages = InfiniteData<ConversationPage, number>

function queryFor(filter: Filter) {
  return {
    status: filter.status,
    ...(filter.inbox ? { inbox_id: filter.inbox } : {}),
    ...(filter.team ? { team_id: filter.team } : {}),
    ...(filter.labels.length > 0 ? { 'labels[]': filter.labels } : {}),
    ...(filter.q ? { q: filter.q } : {}),
    ...(filter.kind ? { conversation_type: filter.kind } : {}),
  }
}

/** `conditions`: those of the saved view, where the filter names one. */
export function useConversationList(filter: Ref<Filter>, conditions: Ref<FilterCondition[] | null>) {
  const { account, path } = useSession()
  const queries = useQueryClient()
  const countsKey = () => [...keys.counts(account.value), queryFor(filter.value)]
  const list = useInfiniteQuery({
    queryKey: computed(() => keys.list(account.value, filter.value, conditions.value)),
    enabled: computed(() => filter.value.view === null || conditions.value !== null),
    maxPages: MOST_PAGES,
    initialPageParam: 1,
    queryFn: async ({ pageParam, signal }) => {
      if (filter.value.view) {
        const asked = { params: { path: path.value, query: { page: pageParam } }, body: { payload: conditions.value! } }
        return client.POST('/api/v1/accounts/{account_id}/conversations/filter', { ...asked, signal })
      }
      const counted = countsKey()
      const query = { ...queryFor(filter.value), assignee_type: filter.value.tab, sort_by: filter.value.sort, page: pageParam }
      const answer = await client.GET('/api/v1/accounts/{account_id}/conversations', { params: { path: path.value, query }, signal })
      // Counting is most of what a list costs the server: what it has counted need not be asked for again.
      queries.setQueryData(counted, answer.data.meta)
      return answer.data
    },
    getNextPageParam: (last: ConversationPage, _pages, page) => (last.payload.length < PER_PAGE ? undefined : page + 1),
    getPreviousPageParam: (_first: ConversationPage, _pages, page) => (page > 1 ? page - 1 : undefined),
    // The net under the stream of events.
    refetchInterval: () => (stream.value === 'open' ? false : 15_000),
  })
  const counts = useQuery({
    queryKey: computed(countsKey),
    queryFn: async ({ signal }) => {
      const answer = await client.GET('/api/v1/accounts/{account_id}/conversations/meta', { params: { path: path.value, query: queryFor(filter.value) }, signal })
      return answer.meta
    },
    enabled: computed(() => filter.value.view === null && !list.isPending.value),
    placeholderData: (before) => before,
  })
  return {
    ...list,
    /** How many stand before the first that is held. */
    before: computed(() => (((list.data.value?.pageParams[0] as number | undefined) ?? 1) - 1) * PER_PAGE),
    /** How many there are in all, where that is known. */
    total: computed(() => {
      const counted = filter.value.view ? list.data.value?.pages[0]?.meta : counts.data.value
      return counted ? { me: counted.mine_count, unassigned: counted.unassigned_count, all: counted.all_count }[filter.value.view ? 'all' : filter.value.tab] : null
    }),
    conversations: computed(() => flat(list.data.value?.pages ?? [])),
    counts: counts.data,
  }
}

export function useConversation(id: Ref<number | null>) {
  const { account, path } = useSession()
  const queries = useQueryClient()
  return useQuery({
    queryKey: computed(() => keys.conversation(account.value, id.value ?? 0)),
    enabled: computed(() => id.value !== null),
    queryFn: ({ signal }) =>
      client.GET('/api/v1/accounts/{account_id}/conversations/{conversation_id}', { params: { path: { ...path.value, conversation_id: id.value! } }, signal }),
    // What the list knows is shown at once.
    placeholderData: () => {
      for (const [, data] of queries.getQueriesData<Pages>({ queryKey: keys.lists(account.value) })) {
        const found = data?.pages.flatMap((page) => page.payload).find((one) => one.id === id.value)
        if (found) return found
      }
      return undefined
    },
  })
}

/** A conversation as the server now has it, put into everything that shows it. */
export function put(queries: QueryClient, account: number, conversation: Conversation, me: number, open: number | null) {
  queries.setQueryData(keys.conversation(account, conversation.id), conversation)
  readAgain(queries, keys.conversation(account, conversation.id))
  readAgain(queries, keys.lists(account))
  for (const [key, data] of queries.getQueriesData<Pages>({ queryKey: keys.lists(account) })) {
    if (!data) continue
    const pages = merged(data.pages, conversation, key[3] as Filter, me, open, (data.pageParams[0] ?? 1) === 1)
    if (pages) queries.setQueryData(key, { ...data, pages })
    else void queries.invalidateQueries({ queryKey: key, exact: true })
  }
}

export type Change = Partial<Pick<Conversation, 'status' | 'priority' | 'labels' | 'snoozed_until' | 'unread_count' | 'muted'>> & { assignee?: Agent | null; team?: Team | null }

function changed(conversation: Conversation, change: Change): Conversation {
  const { assignee, team, ...rest } = change
  const next = { ...conversation, ...rest, meta: { ...conversation.meta } }
  if (assignee !== undefined) next.meta.assignee = assignee ?? undefined
  if (team !== undefined) next.meta.team = team ?? undefined
  return next
}

/** What is done to one conversation: shown at once, taken back with words when it is refused. */
export function useConversationActions(open: Ref<number | null>) {
  const { account, path, profile } = useSession()
  const queries = useQueryClient()
  const known = (id: number) =>
    queries.getQueryData<Conversation>(keys.conversation(account.value, id)) ??
    queries.getQueriesData<Pages>({ queryKey: keys.lists(account.value) }).flatMap(([, data]) => data?.pages.flatMap((page) => page.payload) ?? []).find((one) => one.id === id)

  /** As the server has it now: an answer may tell less than what has changed. */
  async function refresh(id: number) {
    const params = { path: { ...path.value, conversation_id: id } }
    const conversation = await client.GET('/api/v1/accounts/{account_id}/conversations/{conversation_id}', { params }).catch(() => null)
    if (conversation) put(queries, account.value, conversation, profile.value?.id ?? 0, open.value)
  }
  const change = useMutation({
    mutationFn: ({ run }: { id: number; change: Change; run: () => Promise<unknown> }) => run(),
    onMutate: ({ id, change }) => {
      const before = known(id)
      if (before) put(queries, account.value, changed(before, change), profile.value?.id ?? 0, open.value)
      return before
    },
    onError: (error, _asked, before) => {
      if (before) put(queries, account.value, before, profile.value?.id ?? 0, open.value)
      toast(wordsOf(error), { bad: true })
    },
    onSettled: (_answer, _error, { id }) => {
      void refresh(id)
      void queries.invalidateQueries({ queryKey: keys.counts(account.value) })
    },
  })

  const at = (id: number) => ({ params: { path: { ...path.value, conversation_id: id } } })
  return {
    busy: change.isPending,
    status: (id: number, status: Status, until?: number) =>
      change.mutateAsync({
        id,
        change: { status, snoozed_until: until ? new Date(until * 1000).toISOString() : null },
        run: () =>
          client.POST('/api/v1/accounts/{account_id}/conversations/{conversation_id}/toggle_status', { ...at(id), body: { status, ...(until ? { snoozed_until: until } : {}) } }),
      }),
    assign: (id: number, assignee: Agent | null) =>
      change.mutateAsync({
        id,
        change: { assignee },
        run: () =>
          client.POST('/api/v1/accounts/{account_id}/conversations/{conversation_id}/assignments', { ...at(id), body: { assignee_id: assignee?.id ?? null } }),
      }),
    seen: (id: number) =>
      change.mutateAsync({
        id,
        change: { unread_count: 0 },
        run: () => client.POST('/api/v1/accounts/{account_id}/conversations/{conversation_id}/update_last_seen', at(id)),
      }),
    /** For calls of features that have a file of their own. */
    apply: (id: number, what: Change, run: () => Promise<unknown>) => change.mutateAsync({ id, change: what, run }),
  }
}
