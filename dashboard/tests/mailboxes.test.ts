// Who is told that a mailbox does not work, from when on, and in what words.
import { describe, expect, it } from 'vitest'
import type { HealthNotice, Inbox } from '../src/api/types'
import { DWELL_SECONDS, illOf, lateOf, refusedOf, wordsOfIll, wordsOfRefused } from '../src/text/mailboxes'

const NOW = 100_000
const health = (state: string, more: object = {}) => ({ state, since: NOW - 1, failing_since: null, failure: { cause: 'Because.', who_must_act: 'nobody' }, ...more })
const inbox = (id: number, name: string, fetch: object, send: object) => ({ id, name, fetch_health: fetch, send_health: send }) as unknown as Inbox
const well = health('connected', { failure: null })
const notice = (inbox_id: number, part: string, is_current = true) => ({ inbox_id, parts: [part], is_current }) as unknown as HealthNotice
const words = (inboxes: Inbox[], notices: HealthNotice[] = []) => wordsOfIll(illOf(inboxes, notices), true)

describe('an administrator', () => {
  it('hears at once of what waits for somebody', () => {
    expect(words([inbox(1, 'Support', well, health('blocked'))])).toBe('Sending from Support is blocked.')
    expect(words([inbox(1, 'Support', health('needs_reauth'), well)])).toBe('Reading Support waits for a new sign-in.')
    expect(words([inbox(1, 'Support', health('needs_reauth'), health('needs_reauth'))])).toBe('Reading and sending of Support wait for a new sign-in.')
    expect(words([inbox(1, 'Support', health('needs_reauth'), health('blocked'))])).toBe('Reading and sending of Support do not work at the moment.')
  })
  it('hears nothing of what passes by itself, until the server tells people', () => {
    const busy = [inbox(1, 'Support', health('failing', { failing_since: NOW - 1800 }), well)]
    expect(words(busy)).toBe('')
    expect(words(busy, [notice(1, 'send'), notice(2, 'fetch'), notice(1, 'fetch', false)])).toBe('')
    expect(words(busy, [notice(1, 'fetch')])).toBe('Reading Support does not work at the moment.')
  })
  it('hears nothing of what lasts, whoever could mend it, before the server tells people', () => {
    const failing = [inbox(1, 'Support', well, health('failing', { failing_since: NOW - 10 * DWELL_SECONDS, failure: { code: 'connect_failed', cause: '', who_must_act: 'operator' } }))]
    expect(words(failing)).toBe('')
    expect(words(failing, [notice(1, 'send')])).toBe('Sending from Support does not work at the moment.')
  })
  it('hears of an app that Microsoft refuses once, and not of each of its mailboxes', () => {
    const by = (code: string) => health('failing', { failing_since: NOW - 1800, failure: { code, cause: 'Because.', who_must_act: 'tenant_admin' } })
    const app = (id: number, name: string, failing_since: number | null, in_use_by = 2) => ({ id, name, failing_since, in_use_by })
    const hears = (inboxes: Inbox[], ...apps: ReturnType<typeof app>[]) => wordsOfRefused(refusedOf(inboxes, apps))
    const both = [inbox(1, 'A', by('own_app_credential_expired'), well), inbox(2, 'B', by('own_app_unusable'), by('own_app_credential_refused'))]
    expect(words(both, [notice(1, 'fetch'), notice(2, 'send')])).toBe('')
    expect(hears(both, app(1, 'Care', NOW), app(2, 'Good', null))).toBe('Microsoft refuses the OAuth app Care: 2 mailboxes are not read.')
    expect(hears(both.slice(1), app(1, 'Care', NOW), app(2, 'Shop', NOW))).toBe('Microsoft refuses the OAuth apps Care and Shop: 1 mailbox is not read.')
    // Its passes are still good for a while; and nobody misses an app that nobody uses.
    expect(hears([inbox(1, 'A', well, well)], app(1, 'Care', NOW))).toBe('')
    expect(hears(both, app(1, 'Care', NOW), app(2, 'Unused', NOW, 0))).toMatch(/^Microsoft refuses the OAuth app Care: 2/)
    expect(hears(both, app(1, 'Care', null))).toBe('')
    for (const code of ['app_credential_refused', 'app_credential_expired', 'app_unusable']) {
      expect(words([inbox(3, 'C', by(code), by(code))], [notice(3, 'fetch')])).toBe('')
      expect(hears([inbox(3, 'C', by(code), by(code))], app(1, 'Care', null))).toBe('Microsoft refuses this installation\'s app: 1 mailbox is not read. Whoever runs this server must act.')
    }
    expect(hears([...both, inbox(3, 'C', by('app_unusable'), well)], app(1, 'Care', NOW))).toMatch(/^Microsoft refuses the OAuth app Care: 2 .* this installation's app: 1 /)
    expect(hears([inbox(3, 'C', health('connected', { failure: { code: 'app_unusable' } }), well)])).toBe('')
  })
  it('reads one sentence of many', () => {
    const all = ['A', 'B', 'C', 'D', 'E'].map((name, n) => inbox(n, name, health('blocked'), health('blocked')))
    expect(words(all.slice(0, 2))).toBe('2 mailboxes do not work: A and B.')
    expect(words(all.slice(0, 3))).toBe('3 mailboxes do not work: A, B and C.')
    expect(words(all)).toBe('5 mailboxes do not work: A, B and 3 more.')
    expect(words([inbox(1, 'A', well, well)])).toBe('')
  })
})

describe('an agent', () => {
  const told = (part: 'fetch' | 'send', state: string, since = NOW - 1, inbox_id = 1) => ({ id: inbox_id, [`${part}_state`]: state, [`${part}_state_since`]: since })
  const well = (id: number, name: string) => ({ id, name, fetch_state: 'connected', fetch_state_since: 0, send_state: 'connected', send_state_since: 0 })
  const seen = (all: { id: number }[], id: number, name: string) => Object.assign(well(id, name), ...all.filter((one) => one.id === id)) as Inbox
  const hears = (...all: ReturnType<typeof told>[]) => wordsOfIll(lateOf([seen(all, 1, 'Support'), seen(all, 2, 'Sales')], NOW), false)
  it('hears only that mail may be late, of the inboxes they see', () => {
    expect(hears(told('fetch', 'needs_reauth'))).toBe('New mail in Support may be late. None is lost, and administrators see why.')
    expect(hears(told('send', 'blocked'))).toBe('Replies from Support may be late. None is lost, and administrators see why.')
    expect(hears(told('send', 'blocked'), told('fetch', 'blocked', NOW, 2))).toBe('Mail of Support and Sales may be late. None is lost, and administrators see why.')
    expect(wordsOfIll(lateOf([seen([told('send', 'blocked')], 1, 'Sales, EU')], NOW), false)).toMatch(/^Replies from Sales, EU may be late/)
    expect(hears(told('send', 'blocked', NOW, 9), told('fetch', 'connected'), told('send', 'failing'))).toBe('')
    expect(hears(told('send', 'failing', NOW - DWELL_SECONDS))).toMatch(/^Replies from Support/)
  })
})
