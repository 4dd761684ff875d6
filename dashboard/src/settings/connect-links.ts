// Links for people without an account here, and in words how far one has come.
import type { components } from '../api/schema'

export type ConnectLink = components['schemas']['ConnectLink']
export const LINKS = '/api/v1/accounts/{account_id}/connect_links'
type State = ConnectLink['status']

export const WORDS: Record<State, string> = { open: 'not opened yet', opened: 'opened', signing_in: 'signing in', awaiting_admin_consent: 'waits for approval', connected: 'connected', failed: 'did not work', expired: 'expired', revoked: 'withdrawn' }
export const TONES: Record<State, string> = { open: '', opened: '', signing_in: 'warn', awaiting_admin_consent: 'warn', connected: 'good', failed: 'bad', expired: '', revoked: '' }

/** Nothing comes of it any more. One that failed can be used again. */
export const isOver = ({ status }: ConnectLink) => status === 'connected' || status === 'expired' || status === 'revoked'
export const whose = (link: ConnectLink) => link.expected_email ?? link.mailbox ?? 'whoever opens it'
