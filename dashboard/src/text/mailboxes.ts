// Which mailboxes do not work so that people must hear of it, and in what words.
import type { components } from '../api/schema'
import type { Health, HealthNotice, Inbox } from '../api/types'
import { listed } from './listed'

type Part = 'fetch' | 'send'
export interface Ill {
  inbox: number
  name: string
  part: Part
  state: Health['state']
  since: number
  cause: string
}
/** An app that Microsoft refuses, and with it the mailboxes that were signed in through it. */
export interface Refused {
  /** The account's own; none: the installation's. */
  apps: { id: number; name: string; since: number }[]
  mailboxes: number
}
/** To an agent, what comes and goes within it is nobody's matter. */
export const DWELL_SECONDS = 600
const waitsForSomebody = (state: Health['state']) => state === 'needs_reauth' || state === 'blocked'

const OF_INSTALLATION = ['app_credential_refused', 'app_credential_expired', 'app_unusable']
const OF_OWN = OF_INSTALLATION.map((code) => `own_${code}`)
const failsBy = (codes: string[], health?: Health | null) => health?.state === 'failing' && !!health.failure && codes.includes(health.failure.code)

/** For administrators: what no mailbox is to blame for. Of the installation's app only its mailboxes tell. */
export function refusedOf(inboxes: Inbox[], apps: Pick<components['schemas']['OauthApp'], 'id' | 'name' | 'failing_since' | 'in_use_by'>[]): Refused[] {
  const failing = (codes: string[]) => inboxes.filter((one) => failsBy(codes, one.fetch_health) || failsBy(codes, one.send_health)).length
  const own = apps.flatMap(({ id, name, failing_since, in_use_by }) => (failing_since && in_use_by ? [{ id, name, since: failing_since }] : []))
  return [{ apps: own, mailboxes: own.length ? failing(OF_OWN) : 0 }, { apps: [], mailboxes: failing(OF_INSTALLATION) }].filter(({ mailboxes }) => mailboxes)
}

/** For administrators, of single mailboxes. What is still being tried counts when the server tells people of it. */
export function illOf(inboxes: Inbox[], notices: HealthNotice[]): Ill[] {
  const isTold = (inbox: number, part: Part) => notices.some((one) => one.is_current && one.inbox_id === inbox && one.parts.includes(part))
  const counts = (inbox: number, part: Part, health: Health) =>
    waitsForSomebody(health.state) || (health.state === 'failing' && !failsBy([...OF_INSTALLATION, ...OF_OWN], health) && isTold(inbox, part))
  return inboxes.flatMap((one) => (['fetch', 'send'] as const).flatMap((part) => {
    const health = part === 'fetch' ? one.fetch_health : one.send_health
    return health && counts(one.id, part, health) ? [{ inbox: one.id, name: one.name, part, state: health.state, since: health.since, cause: health.failure?.cause ?? '' }] : []
  }))
}

/** For agents, of the inboxes that they see. */
export function lateOf(inboxes: Pick<Inbox, 'id' | 'name' | 'fetch_state' | 'fetch_state_since' | 'send_state' | 'send_state_since'>[], now: number): Ill[] {
  return inboxes.flatMap((one) => (['fetch', 'send'] as const).flatMap((part) => {
    const [state, since] = [one[`${part}_state`], one[`${part}_state_since`]]
    return waitsForSomebody(state) || (state === 'failing' && now - since >= DWELL_SECONDS) ? [{ inbox: one.id, name: one.name, part, state, since, cause: '' }] : []
  }))
}

export const namesOf = (ill: Ill[]) => [...new Map(ill.map(({ inbox, name }) => [inbox, name])).values()]
const list = (all: string[]) => (all.length > 3 ? `${all.slice(0, 2).join(', ')} and ${all.length - 2} more` : listed(all))
const IS: Partial<Record<Health['state'], [one: string, both: string]>> = { needs_reauth: ['waits for a new sign-in', 'wait for a new sign-in'], blocked: ['is blocked', 'are blocked'] }
const TRIED: [string, string] = ['does not work at the moment', 'do not work at the moment']

/** One sentence of each. */
export function wordsOfRefused(refused: Refused[]): string {
  return refused.map(({ apps, mailboxes }) => {
    const which = apps.length ? `the OAuth app${apps.length > 1 ? 's' : ''} ${list(apps.map(({ name }) => name))}` : 'this installation\'s app'
    return `Microsoft refuses ${which}: ${mailboxes === 1 ? '1 mailbox is' : `${mailboxes} mailboxes are`} not read.${apps.length ? '' : ' Whoever runs this server must act.'}`
  }).join(' ')
}

/** One sentence, however many they are; nothing where all is well. */
export function wordsOfIll(ill: Ill[], isAdministrator: boolean): string {
  const names = namesOf(ill)
  const parts = new Set(ill.map(({ part }) => part))
  if (names.length === 0) return ''
  if (!isAdministrator) return `${parts.size > 1 ? 'Mail of' : parts.has('fetch') ? 'New mail in' : 'Replies from'} ${list(names)} may be late. None is lost, and administrators see why.`
  if (names.length > 1) return `${names.length} mailboxes do not work: ${list(names)}.`
  const states = new Set(ill.map(({ state }) => state))
  const [one, both] = (states.size === 1 && IS[ill[0]!.state]) || TRIED
  return `${parts.size > 1 ? 'Reading and sending of' : parts.has('fetch') ? 'Reading' : 'Sending from'} ${names[0]} ${parts.size > 1 ? both : one}.`
}
