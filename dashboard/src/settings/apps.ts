// What is told of an OAuth app of the account's own, and in a word how one is doing; and its form.
import type { components } from '../api/schema'
import { lasting } from '../text/time'

export type OauthApp = components['schemas']['OauthApp']
export type AppCredential = components['schemas']['OauthAppCredential']
/** As Microsoft's: the one in use, and the next. */
export const MOST_CREDENTIALS = 2
const DAY = 86_400

export const usersOf = ({ in_use_by: count }: Pick<OauthApp, 'in_use_by'>) => (count === 0 ? 'no inbox uses it' : count === 1 ? 'one inbox uses it' : `${count} inboxes use it`)

export interface Standing {
  words: string
  tone: '' | 'good' | 'warn' | 'bad'
}

/** When a credential ends, the louder the nearer. */
export function endOf(expiresAt: number | null | undefined, at: number): Standing {
  if (!expiresAt) return { words: 'end not known', tone: '' }
  const left = expiresAt - at
  if (left <= 0) return { words: 'expired', tone: 'bad' }
  return { words: `expires in ${lasting(left)}`, tone: left <= 7 * DAY ? 'bad' : left <= 30 * DAY ? 'warn' : '' }
}

/** Of an app: that it is refused, or when the credential ends that lasts longest. A shorter one needs nobody. */
export function standingOf(app: Pick<OauthApp, 'credentials' | 'failing_since'>, at: number): Standing {
  if (app.failing_since) return { words: 'refused by Microsoft', tone: 'bad' }
  if (!app.credentials.length) return { words: 'no credential', tone: 'warn' }
  const good = app.credentials.filter((one) => !one.refused_at)
  if (!good.length) return { words: 'refused by Microsoft', tone: 'bad' }
  if (good.some((one) => !one.expires_at)) return endOf(null, at)
  return endOf(Math.max(...good.map((one) => one.expires_at!)), at)
}

export const AUDIENCES = {
  common: 'Work, school and personal accounts',
  organizations: 'Work and school accounts',
  consumers: 'Personal accounts',
  tenant: 'Accounts of one organisation',
}
export interface AppForm {
  name: string
  client_id: string
  audience: keyof typeof AUDIENCES
  tenant: string
  is_default: boolean
}
export const NO_APP: AppForm = { name: '', client_id: '', audience: 'common', tenant: '', is_default: false }

export function formOf({ name, client_id, authority, is_default }: OauthApp): AppForm {
  const isShared = authority !== 'tenant' && authority in AUDIENCES
  return { name, client_id, audience: isShared ? (authority as AppForm['audience']) : 'tenant', tenant: isShared ? '' : authority, is_default }
}
export const bodyOf = (form: AppForm) => ({ name: form.name.trim(), client_id: form.client_id.trim(), authority: form.audience === 'tenant' ? form.tenant.trim() : form.audience, is_default: form.is_default })
