// What failures and states of health are called, wherever one is told.
import type { Failure, Health } from '../api/types'

export const WHO: Record<Failure['who_must_act'], string> = {
  nobody: 'Nothing has to be done.',
  owner: 'Whoever owns the mailbox must act.',
  tenant_admin: 'An administrator of the Microsoft tenant must act.',
  operator: 'Whoever runs this server must act.',
  agent: 'An agent must act.',
}
/** Every failure has a page on this server, for people who have no account here, too. */
export const helpOf = (code: string) => `/help/${encodeURIComponent(code)}`

/** A state now, in a sentence and in a word; and how long it has lasted, or did. */
export const STATES: Record<Health['state'], { words: string; short: string; lasts: string; lasted: string; tone: string }> = {
  connected: { words: 'works', short: 'works', lasts: 'has worked for', lasted: 'worked for', tone: 'good' },
  unknown: { words: 'not known yet', short: 'not known yet', lasts: 'has not been tried for', lasted: 'was not tried for', tone: '' },
  failing: { words: 'fails, and is tried again', short: 'tries again', lasts: 'has failed, and been tried again, for', lasted: 'failed, and was tried again, for', tone: 'warn' },
  needs_reauth: { words: 'waits until somebody signs in again', short: 'sign in again', lasts: 'has waited for a sign-in for', lasted: 'waited for a sign-in for', tone: 'bad' },
  blocked: { words: 'blocked from outside', short: 'blocked', lasts: 'has been blocked from outside for', lasted: 'was blocked from outside for', tone: 'bad' },
}
export const PARTS = { fetch: 'Reading', send: 'Sending' }
/** Of a step that was tried. */
export const OUTCOMES = { ok: 'works', failed: 'failed', skipped: 'not tried' }
