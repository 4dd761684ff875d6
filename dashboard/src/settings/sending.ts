// The two ways on which mail leaves a mailbox at Microsoft, and when to choose which (docs/SENDING.md).
export type Way = 'smtp' | 'graph'
export const WAYS = [
  { value: 'smtp', words: 'SMTP', hint: 'The usual way. Choose it where authenticated SMTP is switched on for the mailbox.' },
  { value: 'graph', words: 'Microsoft Graph', hint: 'Choose it where authenticated SMTP is switched off, as in most organisations that came to Microsoft since 2020. Microsoft asks for two permissions more.' },
] as const
export const WAY_WORDS: Record<Way, string> = { smtp: 'SMTP', graph: 'Microsoft Graph' }
