// What administrators did, in sentences. A kind of thing or a field that a newer server tells of still reads well.
import type { components } from '../api/schema'
import { listed } from './listed'
import { exactly } from './time'

export type Entry = components['schemas']['AuditLog']
export type Kind = 'inbox' | 'user' | 'team' | 'label' | 'webhook' | 'app'
/** What things are called now, by their ids. What is gone is not among them. */
export type Names = Partial<Record<Kind, Map<number, string>>>

const THINGS: Record<string, { words: string; kind?: Kind }> = {
  Account: { words: 'the account' },
  AccountUser: { words: 'the agent', kind: 'user' },
  Inbox: { words: 'the inbox', kind: 'inbox' },
  InboxMember: { words: 'the inbox', kind: 'inbox' },
  'Channel::Email': { words: 'the mailbox of', kind: 'inbox' },
  Webhook: { words: 'the webhook', kind: 'webhook' },
  Label: { words: 'the label', kind: 'label' },
  Team: { words: 'the team', kind: 'team' },
  TeamMember: { words: 'the team', kind: 'team' },
  CustomAttributeDefinition: { words: 'the custom attribute' },
  Conversation: { words: 'conversation' },
  Contact: { words: 'contact' },
  OauthApp: { words: 'the OAuth app', kind: 'app' },
  ConnectLink: { words: 'connect link' },
}
const FIELDS: Record<string, string> = {
  'settings.sender_name_type': 'who mail comes from', 'settings.business_name': 'company', 'settings.enable_auto_assignment': 'assigning by itself', 'settings.greeting_enabled': 'greeting',
  'settings.working_hours_enabled': 'working hours', 'settings.allow_messages_after_resolved': 'replies to what is resolved', 'settings.lock_to_single_conversation': 'one conversation for each contact',
  'sending_limits.messages_per_minute': 'messages a minute', 'sending_limits.recipients_per_day': 'recipients a day', send_transport: 'how it sends', from_address: 'the address that mail comes from', inbox_id: 'inbox', url: 'address', color: 'colour', locale: 'language',
  is_default: 'default', client_id: 'client id', authority: 'who may sign in', support_email: 'support address', allow_auto_assign: 'assigning by itself', show_on_sidebar: 'in the menu',
  attribute_display_name: 'name', attribute_description: 'description', attribute_values: 'values', attribute_key: 'key', subscriptions: 'events', expires_at: 'end',
}
const VALUES: Record<string, string> = { smtp: 'SMTP', graph: 'Microsoft Graph', friendly: 'the agent', professional: 'the company' }
const MOST_CHARS = 80

/** `settings.greeting_message` as "greeting message". */
export const fieldWords = (field: string) => FIELDS[field] ?? field.replace(/^settings\./, '').replace(/[._]+/g, ' ')

const cut = (text: string) => (text.length > MOST_CHARS ? `${text.slice(0, MOST_CHARS - 1)}…` : text)
const isPair = (value: unknown): value is [unknown, unknown] => Array.isArray(value) && value.length === 2
const nameOf = (names: Names, kind: Kind | undefined, id: number) => (kind ? names[kind]?.get(id) : undefined)
const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined)

export function valueWords(field: string, value: unknown, names: Names = {}): string {
  if (value === null || value === undefined || value === '') return 'nothing'
  if (value === true || value === false) return value ? 'on' : 'off'
  if (typeof value === 'number') return field.endsWith('_at') ? exactly(value) : field === 'inbox_id' ? (names.inbox?.get(value) ?? `inbox ${value}`) : String(value)
  if (Array.isArray(value)) return value.length ? cut(value.map((one) => valueWords(field === 'user_ids' ? 'user_id' : '', one, names)).join(', ')) : 'nothing'
  return cut(typeof value === 'string' ? (VALUES[value] ?? value) : JSON.stringify(value))
}

/** What is in one list and not in the other, each as a person calls it. */
function comings(pair: [unknown, unknown], words: (one: unknown) => string): string {
  const [before, after] = pair.map((side) => (Array.isArray(side) ? side : [])) as [unknown[], unknown[]]
  const added = after.filter((one) => !before.includes(one)).map(words)
  const gone = before.filter((one) => !after.includes(one)).map(words)
  return [added.length ? `added ${listed(added)}` : '', gone.length ? `removed ${listed(gone)}` : ''].filter(Boolean).join(', ')
}

function change(field: string, value: unknown, names: Names): string {
  if (!isPair(value)) return `${fieldWords(field)} ${valueWords(field, value, names)}`
  if (value.every(Array.isArray)) return `${fieldWords(field)}: ${comings(value, (one) => (one === '' ? 'one' : valueWords('', one, names))) || 'in another order'}`
  const [before, after] = value.map((side) => valueWords(field, side, names))
  return typeof value[1] === 'boolean' ? `${fieldWords(field)} ${after}` : `${fieldWords(field)} from ${before} to ${after}`
}

/** What a thing is called by an entry about it: what it was where it is called otherwise since. */
function ownName({ action, audited_changes }: Pick<Entry, 'action' | 'audited_changes'>): string | undefined {
  const changes = (audited_changes ?? {}) as Record<string, unknown>
  if (action === 'update') return [changes.name, changes.title].map((one) => (isPair(one) ? text(one[0]) : undefined)).find(Boolean)
  return [changes.name, changes.title, changes.email, changes.attribute_display_name, changes.url].map(text).find(Boolean)
}

/** Names of what is gone, as other entries of the log tell them. Newest first. */
export function withGone(names: Names, entries: Entry[]): Names {
  const all: Names = {}
  for (const kind of ['inbox', 'user', 'team', 'label', 'webhook', 'app'] as const) all[kind] = new Map(names[kind])
  for (const entry of entries) {
    const { kind } = THINGS[entry.auditable_type] ?? {}
    const name = ownName(entry)
    if (kind && name && !all[kind]!.has(entry.auditable_id)) all[kind]!.set(entry.auditable_id, name)
  }
  return all
}

/** "changed the inbox Support: name from Support to Help": what comes after whoever did it. */
export function sentence({ action, auditable_type: type, auditable_id: id, audited_changes }: Pick<Entry, 'action' | 'auditable_type' | 'auditable_id' | 'audited_changes'>, names: Names = {}): string {
  const changes = (audited_changes ?? {}) as Record<string, unknown>
  const thing = THINGS[type] ?? { words: `the ${type.replace(/::/g, ' ').replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()}` }
  const known = ownName({ action, audited_changes }) ?? nameOf(names, thing.kind, id)
  const subject = type === 'Account' ? thing.words : known ? `${thing.words} ${cut(known)}` : thing.kind === 'user' ? `the agent no. ${id}` : `${thing.words} ${thing.words.startsWith('the ') ? 'no. ' : ''}${id}`
  const person = (user: unknown) => names.user?.get(Number(user)) ?? `agent no. ${String(user)}`
  switch (`${type} ${action}`) {
    case 'AccountUser create':
      return `added ${text(changes.email) ?? known ?? `agent no. ${id}`} as ${valueWords('role', changes.role)}`
    case 'AccountUser destroy':
      return `removed ${subject} from the account`
    case 'Inbox create':
      return text(changes.mailbox_address) ? `connected ${changes.mailbox_address as string} as ${subject}` : `made ${subject}`
    case 'InboxMember update':
    case 'TeamMember update':
      if (isPair(changes.user_ids)) return `changed who ${type === 'TeamMember' ? 'is in' : 'works in'} ${subject}: ${comings(changes.user_ids, person)}`
      break
    case 'Channel::Email update':
      if (isPair(changes.principal)) {
        const address = isPair(changes.mailbox_address) && changes.mailbox_address[0] !== changes.mailbox_address[1] ? `: mailbox ${change('', changes.mailbox_address, names).trim()}` : ''
        return `signed ${nameOf(names, 'inbox', id) ? `the inbox ${nameOf(names, 'inbox', id)}` : `inbox ${id}`} in again${changes.principal[0] === changes.principal[1] ? '' : ' with another Microsoft account'}${address}`
      }
      break
    case 'Webhook update':
      if ('secret' in changes) return `gave ${subject} a new secret`
      break
    case 'Contact update':
      if (changes.merged_contact_id) return `merged contact ${String(changes.merged_contact_id)} into contact ${id}`
      break
    case 'Contact destroy':
      return `erased contact ${id}`
    case 'Conversation destroy':
      return `deleted conversation ${id}${typeof changes.inbox_id === 'number' ? ` of ${valueWords('inbox_id', changes.inbox_id, names)}` : ''}`
    case 'ConnectLink create':
      return `made ${subject}${typeof changes.inbox_id === 'number' ? ` for ${valueWords('inbox_id', changes.inbox_id, names)}` : ''}${typeof changes.expires_at === 'number' ? `, good until ${exactly(changes.expires_at)}` : ''}`
    case 'ConnectLink destroy':
      return changes.status === 'revoked' ? `withdrew ${subject}` : `ended ${subject}`
  }
  if (action === 'create') return `made ${subject}`
  if (action === 'destroy') return `deleted ${subject}`
  const told = Object.entries(changes).map(([field, value]) => change(field, value, names))
  return `changed ${subject}${told.length ? `: ${told.join('; ')}` : ''}`
}

export function whoDid({ user_id, username }: Pick<Entry, 'user_id' | 'username'>, names: Names = {}): string {
  if (!user_id) return 'Whoever runs this server'
  return names.user?.get(user_id) ?? username ?? `Agent no. ${user_id}`
}
