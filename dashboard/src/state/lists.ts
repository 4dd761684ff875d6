// The rules of the conversation list, without any I/O: what a list is asked for, what belongs to it, and where.
import type { Conversation, ConversationPage, Priority, Sort, Status } from '../api/types'

export interface Filter {
  tab: 'me' | 'unassigned' | 'all'
  status: Status | 'all'
  inbox: number | null
  team: number | null
  labels: string[]
  q: string
  sort: Sort
  /** Those that name one, that one follows, or that nobody looked after yet. */
  kind: Kind | null
  /** A saved view: its conditions instead of all others. */
  view: number | null
  /** What the words are looked for in. */
  find: Find
}
export type Kind = 'mention' | 'participating' | 'unattended'
export type Find = 'conversations' | 'messages' | 'contacts'
export const DEFAULT: Filter = { tab: 'me', status: 'open', inbox: null, team: null, labels: [], q: '', sort: 'last_activity_at_desc', kind: null, view: null, find: 'conversations' }

type Query = Record<string, unknown>
const one = (value: unknown) => (Array.isArray(value) ? value[0] : value) as string | undefined | null

/** The address holds the filter, so that a list can be linked to and a reload keeps it. */
export function filterOf(query: Query): Filter {
  const tab = one(query.tab)
  const labels = query.label === undefined ? [] : ([] as unknown[]).concat(query.label).map(String)
  return {
    tab: tab === 'unassigned' || tab === 'all' ? tab : DEFAULT.tab,
    status: (['open', 'resolved', 'pending', 'snoozed', 'all'].includes(one(query.status) ?? '') ? one(query.status) : 'open') as Filter['status'],
    inbox: Number(one(query.inbox)) || null,
    team: Number(one(query.team)) || null,
    labels,
    q: one(query.q) ?? '',
    sort: (one(query.sort) as Sort | undefined) ?? DEFAULT.sort,
    kind: (['mention', 'participating', 'unattended'] as const).find((kind) => kind === one(query.kind)) ?? null,
    view: Number(one(query.view)) || null,
    find: (['messages', 'contacts'] as const).find((find) => find === one(query.find)) ?? 'conversations',
  }
}

export function queryOf(filter: Filter): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {}
  if (filter.tab !== DEFAULT.tab) query.tab = filter.tab
  if (filter.status !== DEFAULT.status) query.status = filter.status
  if (filter.inbox) query.inbox = String(filter.inbox)
  if (filter.team) query.team = String(filter.team)
  if (filter.labels.length > 0) query.label = filter.labels
  if (filter.q) query.q = filter.q
  if (filter.sort !== DEFAULT.sort) query.sort = filter.sort
  if (filter.kind) query.kind = filter.kind
  if (filter.view) query.view = String(filter.view)
  if (filter.q && filter.find !== DEFAULT.find) query.find = filter.find
  return query
}

/** Whether a conversation belongs to a list. `null`: only the server knows (words that are searched for, mentions, saved views). */
export function belongs(conversation: Conversation, filter: Filter, me: number): boolean | null {
  if (filter.q || filter.kind || filter.view) return null
  const { assignee } = conversation.meta
  if (filter.tab === 'me' && assignee?.id !== me) return false
  if (filter.tab === 'unassigned' && assignee) return false
  if (filter.status !== 'all' && conversation.status !== filter.status) return false
  if (filter.inbox && conversation.inbox_id !== filter.inbox) return false
  if (filter.team && conversation.meta.team?.id !== filter.team) return false
  return filter.labels.length === 0 || filter.labels.some((label) => conversation.labels.includes(label))
}

const RANK: Record<Priority, number> = { urgent: 4, high: 3, medium: 2, low: 1 }
const rank = (conversation: Conversation) => (conversation.priority ? RANK[conversation.priority] : 0)
const never = Number.MAX_SAFE_INTEGER

type Order = (a: Conversation, b: Conversation) => number
const ORDERS: Partial<Record<Sort, Order>> = {
  last_activity_at_desc: (a, b) => b.last_activity_at - a.last_activity_at,
  last_activity_at_asc: (a, b) => a.last_activity_at - b.last_activity_at,
  created_at_desc: (a, b) => b.created_at - a.created_at,
  created_at_asc: (a, b) => a.created_at - b.created_at,
  priority_desc: (a, b) => rank(b) - rank(a) || b.last_activity_at - a.last_activity_at,
  waiting_since_asc: (a, b) => (a.waiting_since || never) - (b.waiting_since || never),
  waiting_since_desc: (a, b) => b.waiting_since - a.waiting_since,
}

/** The pages as one list, each conversation once: a page may repeat what has moved down since the page before it was asked for. */
export function flat(pages: readonly ConversationPage[]): Conversation[] {
  const seen = new Set<number>()
  return pages.flatMap((page) => page.payload).filter(({ id }) => !seen.has(id) && seen.add(id))
}

/**
 * Puts a changed conversation where it belongs. What is open on the screen stays, even when it no longer belongs there, so that nothing is pulled away under the
 * reader. `null`: the server must be asked.
 */
export function merged(pages: readonly ConversationPage[], changed: Conversation, filter: Filter, me: number, open: number | null, fromTheTop = true): ConversationPage[] | null {
  const belongsHere = belongs(changed, filter, me)
  const order = ORDERS[filter.sort]
  const before = pages.flatMap((page) => page.payload).find(({ id }) => id === changed.id)
  const known = before !== undefined
  const replaced = () => pages.map((page) => ({ ...page, payload: page.payload.map((one) => (one.id === changed.id ? changed : one)) }))
  if (belongsHere === null || !order) return known ? replaced() : null
  if (known && !belongsHere && changed.id === open) return replaced()
  // Among equals it stays where it stood.
  if (before && belongsHere && order(changed, before) === 0) return replaced()
  const without = pages.map((page) => ({ ...page, payload: page.payload.filter(({ id }) => id !== changed.id) }))
  if (!belongsHere) return known ? without : [...pages]
  const last = pages.length - 1
  for (const [index, page] of without.entries()) {
    const at = page.payload.findIndex((one) => order(changed, one) < 0)
    // Before everything that is held: on a page that was let go of, unless the first is held.
    if (at === 0 && index === 0 && !fromTheTop) return known ? without : [...pages]
    if (at >= 0) {
      page.payload.splice(at, 0, changed)
      return without
    }
    // Behind everything that is loaded: at the end only where nothing follows.
    if (index === last && (page.payload.length < 25 || known)) page.payload.push(changed)
  }
  return without
}
