// Whether a mailbox is well: what was never tried is not ill. Apart from the words about it, which the desk loads only when one is not.
import type { Health } from '../api/types'

export const isWell = (state: Health['state']) => state === 'connected' || state === 'unknown'
