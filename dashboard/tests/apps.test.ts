// How an app is doing in a word: what is told of its credentials, and which of them matters.
import { expect, test } from 'vitest'
import { bodyOf, endOf, formOf, standingOf, type AppCredential, type OauthApp } from '../src/settings/apps'

const AT = 1_800_000_000
const DAY = 86_400
const credential = (days: number | null, refused = false): AppCredential => ({ id: 1, kind: 'secret', hint: 'abc', expires_at: days === null ? null : AT + days * DAY, refused_at: refused ? AT : null, created_at: AT })
const of = (failing: boolean, ...credentials: AppCredential[]) => standingOf({ credentials, failing_since: failing ? AT : null }, AT)

test('a credential is the louder the nearer its end is', () => {
  const tones = [31, 30, 8, 7, 1, -1].map((days) => endOf(AT + days * DAY, AT).tone)
  expect(tones).toEqual(['', 'warn', 'warn', 'bad', 'bad', 'bad'])
  expect(endOf(AT + 12 * DAY, AT).words).toBe('expires in 12 days')
  expect(endOf(null, AT)).toEqual({ words: 'end not known', tone: '' })
})

test('of an app the credential counts that lasts longest, and what Microsoft refuses does not', () => {
  expect(of(false)).toEqual({ words: 'no credential', tone: 'warn' })
  expect(of(false, credential(5), credential(200))).toEqual({ words: 'expires in 200 days', tone: '' })
  expect(of(false, credential(5), credential(null)).words).toBe('end not known')
  expect(of(false, credential(5), credential(200, true))).toEqual({ words: 'expires in 5 days', tone: 'bad' })
  expect(of(false, credential(5, true)).words).toBe('refused by Microsoft')
  expect(of(true, credential(200)).words).toBe('refused by Microsoft')
})

test('who may sign in goes out as it came', () => {
  for (const authority of ['common', 'organizations', 'consumers', 'contoso.example', 'tenant'])
    expect(bodyOf(formOf({ name: 'A', client_id: 'c', authority, is_default: true } as OauthApp)).authority).toBe(authority)
})
