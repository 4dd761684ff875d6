// The two ways on which mail leaves a mailbox at Microsoft, and when to choose which (docs/SENDING.md).
import type { components } from '../api/schema'

export type Way = components['schemas']['SendTransport']
export const WAYS = [
  { value: 'smtp', words: 'SMTP', hint: 'The usual way. Choose it where authenticated SMTP is switched on for the mailbox.' },
  { value: 'graph', words: 'Microsoft Graph', hint: 'Choose it where authenticated SMTP is switched off, as in most organisations that came to Microsoft since 2020. Microsoft asks for two permissions more.' },
] as const satisfies { value: Way; words: string; hint: string }[]
export const wayWords = (way: Way) => WAYS.find(({ value }) => value === way)!.words
