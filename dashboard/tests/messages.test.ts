// Messages as they come in, in whatever order.
import { expect, it, vi } from 'vitest'
import type { Message } from '../src/api/types'

vi.stubGlobal('location', { origin: 'http://desk.example' })
vi.stubGlobal('addEventListener', () => {})
vi.stubGlobal('navigator', { onLine: true, platform: '' })
const { withMessage } = await import('../src/state/messages')
const message = (id: number, created_at: number, content = '') => ({ id, created_at, content }) as Message
const ids = (pages: Message[][]) => pages.map((page) => page.map(({ id }) => id))

it('a new message stands where its time says', () => {
  expect(ids(withMessage([[message(5, 50), message(6, 60)], [message(1, 10)]], message(7, 55)))).toEqual([[5, 7, 6], [1]])
  expect(ids(withMessage([[message(5, 50)]], message(7, 70)))).toEqual([[5, 7]])
  expect(ids(withMessage([], message(7, 70)))).toEqual([[7]])
})
it('one that is older than what is loaded waits for its page', () => {
  expect(ids(withMessage([[message(5, 50)], [message(1, 10)]], message(9, 20)))).toEqual([[5], [1]])
})
it('one that is there is replaced, wherever it is, and never doubled', () => {
  const pages = withMessage([[message(5, 50)], [message(1, 10, 'before')]], message(1, 10, 'after'))
  expect(ids(pages)).toEqual([[5], [1]])
  expect(pages[1]![0]!.content).toBe('after')
})
