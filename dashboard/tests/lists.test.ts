// What belongs to the list of conversations, and where.
import { describe, expect, it } from 'vitest'
import type { Conversation, ConversationPage } from '../src/api/types'
import { DEFAULT, filterOf, flat, merged, queryOf, type Filter } from '../src/state/lists'

const conversation = (id: number, last_activity_at: number, more: object = {}) => ({ id, last_activity_at, created_at: id, status: 'open', inbox_id: 1, labels: [], waiting_since: 0, priority: null, meta: { sender: {} }, ...more }) as unknown as Conversation
const page = (...payload: Conversation[]) => ({ meta: {}, payload }) as unknown as ConversationPage
const all: Filter = { ...DEFAULT, tab: 'all' }
const ids = (pages: ConversationPage[] | null) => pages?.map((one) => one.payload.map(({ id }) => id))

describe('a changed conversation', () => {
  const pages = [page(conversation(3, 30), conversation(2, 20)), page(conversation(1, 10))]
  it('moves to the top when somebody writes', () => {
    expect(ids(merged(pages, conversation(1, 40), all, 7, null))).toEqual([[1, 3, 2], []])
  })
  it('stays where it stood among equals', () => {
    expect(ids(merged([page(conversation(3, 10), conversation(2, 10), conversation(1, 10))], conversation(3, 10, { unread_count: 0 }), all, 7, null))).toEqual([[3, 2, 1]])
  })
  it('comes in where it belongs when it is new', () => {
    expect(ids(merged(pages, conversation(9, 25), all, 7, null))).toEqual([[3, 9, 2], [1]])
    expect(ids(merged(pages, conversation(9, 5), all, 7, null))).toEqual([[3, 2], [1, 9]])
  })
  it('waits on the next page when it stands behind everything that is loaded', () => {
    const full = page(...Array.from({ length: 25 }, (_, n) => conversation(100 + n, 1000 - n)))
    expect(ids(merged([full], conversation(1, 1), all, 7, null))![0]).not.toContain(1)
  })
  it('waits above when the first pages were let go of', () => {
    expect(ids(merged(pages, conversation(9, 50), all, 7, null, false))).toEqual([[3, 2], [1]])
    expect(ids(merged(pages, conversation(1, 50), all, 7, null, false))).toEqual([[3, 2], []])
    expect(ids(merged(pages, conversation(9, 25), all, 7, null, false))).toEqual([[3, 9, 2], [1]])
  })
  it('is asked for where only the server knows whether it belongs', () => {
    for (const filter of [{ ...all, kind: 'mention' as const }, { ...all, view: 3 }]) {
      expect(merged(pages, conversation(9, 50), filter, 7, null)).toBeNull()
      expect(ids(merged(pages, conversation(2, 20, { status: 'resolved' }), filter, 7, null))).toEqual([[3, 2], [1]])
    }
  })
  it('leaves when it no longer belongs, but not from under who reads it', () => {
    const resolved = conversation(2, 20, { status: 'resolved' })
    expect(ids(merged(pages, resolved, all, 7, null))).toEqual([[3], [1]])
    expect(ids(merged(pages, resolved, all, 7, 2))).toEqual([[3, 2], [1]])
  })
  it('is mine only when I have it', () => {
    expect(ids(merged([page()], conversation(5, 1, { meta: { sender: {}, assignee: { id: 8 } } }), DEFAULT, 7, null))).toEqual([[]])
    expect(ids(merged([page()], conversation(5, 1, { meta: { sender: {}, assignee: { id: 7 } } }), DEFAULT, 7, null))).toEqual([[5]])
  })
  it('is asked for where only the server knows whether it belongs', () => {
    expect(merged(pages, conversation(9, 25), { ...all, q: 'parcel' }, 7, null)).toBeNull()
    expect(ids(merged(pages, conversation(2, 99), { ...all, q: 'parcel' }, 7, null))).toEqual([[3, 2], [1]])
  })
})

it('a page that repeats a conversation shows it once', () => {
  expect(flat([page(conversation(2, 2), conversation(1, 1)), page(conversation(1, 1))]).map(({ id }) => id)).toEqual([2, 1])
})
it('a filter survives the address', () => {
  const filter: Filter = { tab: 'unassigned', status: 'snoozed', inbox: 3, team: 4, labels: ['vip', 'late'], q: 'a b', kind: 'mention', view: 5, find: 'messages', sort: 'priority_desc' }
  expect(filterOf(queryOf(filter))).toEqual(filter)
  expect(queryOf(DEFAULT)).toEqual({})
  expect(filterOf({ tab: 'x', status: '<script>' })).toEqual(DEFAULT)
})
