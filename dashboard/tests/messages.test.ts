// Messages as they come in, in whatever order.
import { expect, it, vi } from 'vitest'
import { QueryClient, QueryObserver } from '@tanstack/vue-query'
import type { Message } from '../src/api/types'

vi.stubGlobal('location', { origin: 'http://desk.example' })
vi.stubGlobal('addEventListener', () => {})
vi.stubGlobal('navigator', { onLine: true, platform: '' })
const { answerMessage, hearMessage, rewritten, withMessage } = await import('../src/state/messages')
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

type Read = { pages: Message[][]; pageParams: null[] }
const KEY = ['account', 1, 'messages', 7]
const sent = (content: string) => ({ ...message(5, 50, content), conversation_id: 7 })
const read = (content: string): Read => ({ pages: [[sent(content)]], pageParams: [null] })
const shown = (queries: QueryClient) => queries.getQueryData<Read>(KEY)?.pages[0]?.[0]?.content

it('what happens while messages are being read is not lost behind the answer', async () => {
  const queries = new QueryClient()
  const answers: ((data: Read) => void)[] = []
  const queryFn = () => new Promise<Read>((done) => answers.push(done))
  const stop = new QueryObserver(queries, { queryKey: KEY, queryFn }).subscribe(() => {})
  for (const round of [0, 2]) {
    // They are asked for the first time, then once more; the server has looked before it left, and answers after that was told.
    hearMessage(queries, 1, sent('it has left'))
    hearMessage(queries, 1, sent('it has left'))
    answers[round]!(read('leaving'))
    await vi.waitFor(() => expect(answers.length).toBe(round + 2))
    answers[round + 1]!(read('it has left'))
    await vi.waitFor(() => expect(shown(queries)).toBe('it has left'))
    await vi.waitFor(() => expect(queries.isFetching()).toBe(0))
    if (round === 0) void queries.refetchQueries({ queryKey: KEY })
  }
  expect(answers.length).toBe(4)
  stop()
})
it('an answer that the stream has overtaken is not put over what that told', () => {
  const queries = new QueryClient()
  queries.setQueryData(KEY, { pages: [[]], pageParams: [null] })
  const mine = (content: string) => ({ ...sent(content), id: 6 })
  answerMessage(queries, 1, mine('leaving'), 0)
  expect(shown(queries)).toBe('leaving')
  hearMessage(queries, 1, mine('it has left'))
  answerMessage(queries, 1, mine('leaving'), 0)
  expect(shown(queries)).toBe('it has left')
  answerMessage(queries, 1, mine('taken back'), 1)
  expect(shown(queries)).toBe('taken back')
})
it('what is written anew of a message that some have is for the others', () => {
  const email = { to_emails: ['Grace@navy.example', 'ada@math.example'], cc_emails: ['joan@nasa.example'] }
  const taken = (accepted_recipients: string[]) => ({ ...message(7, 70, 'Hello'), content_attributes: email, delivery: { accepted_recipients } }) as unknown as Message
  expect(rewritten(taken([]))).toEqual({ content: 'Hello', to: email.to_emails, cc: email.cc_emails, bcc: [] })
  expect(rewritten(taken(['grace@navy.example']))).toEqual({ content: 'Hello', to: ['ada@math.example'], cc: email.cc_emails, bcc: [] })
})
