// The audit log in sentences, also of what is gone, and of what only a newer server knows.
import { describe, expect, it } from 'vitest'
import { sentence, valueWords, whoDid, withGone, type Entry, type Names } from '../src/text/audit'

const names: Names = { inbox: new Map([[1, 'Help']]), user: new Map([[5, 'Ada'], [6, 'Bob'], [7, 'Carol']]), team: new Map([[2, 'Money']]), app: new Map([[3, 'Contoso']]), webhook: new Map([[4, 'CRM']]), label: new Map() }
const told = (action: string, auditable_type: string, auditable_id: number, audited_changes: object, known = names) => sentence({ action, auditable_type, auditable_id, audited_changes } as Parameters<typeof sentence>[0], known)

describe('what administrators did', () => {
  it('is told by the name that the thing had', () => {
    expect(told('update', 'Inbox', 1, { name: ['Support', 'Help'] })).toBe('changed the inbox Support: name from Support to Help')
    expect(told('update', 'Inbox', 1, { 'settings.greeting_enabled': [false, true], 'settings.business_name': [null, 'Contoso'] })).toBe('changed the inbox Help: greeting on; company from nothing to Contoso')
    expect(told('create', 'Label', 9, { title: 'billing', color: '#1466b8' })).toBe('made the label billing')
    expect(told('destroy', 'Team', 2, { name: 'Money' })).toBe('deleted the team Money')
    expect(told('update', 'Account', 1, { name: ['A', 'B'] })).toBe('changed the account: name from A to B')
  })
  it('tells who came and who went', () => {
    expect(told('update', 'InboxMember', 1, { user_ids: [[5, 6], [6, 7]] })).toBe('changed who works in the inbox Help: added Carol, removed Ada')
    expect(told('update', 'TeamMember', 2, { user_ids: [[], [5, 6, 8]] })).toBe('changed who is in the team Money: added Ada, Bob and agent no. 8')
    expect(told('create', 'AccountUser', 8, { email: 'dora@demo.example', role: 'agent' })).toBe('added dora@demo.example as agent')
    expect(told('update', 'AccountUser', 6, { role: ['agent', 'administrator'] })).toBe('changed the agent Bob: role from agent to administrator')
    expect(told('destroy', 'AccountUser', 9, {})).toBe('removed the agent no. 9 from the account')
  })
  it('tells of mailboxes, links and apps', () => {
    expect(told('create', 'Inbox', 1, { name: 'Help', mailbox_address: 'help@contoso.example' })).toBe('connected help@contoso.example as the inbox Help')
    expect(told('update', 'Channel::Email', 1, { principal: ['a', 'a'], mailbox_address: ['h@c.example', 'h@c.example'] })).toBe('signed the inbox Help in again')
    expect(told('update', 'Channel::Email', 1, { principal: ['a', 'b'], mailbox_address: ['h@c.example', 'i@c.example'] })).toBe('signed the inbox Help in again with another Microsoft account: mailbox from h@c.example to i@c.example')
    expect(told('update', 'Channel::Email', 1, { send_transport: ['smtp', 'graph'] })).toBe('changed the mailbox of Help: how it sends from SMTP to Microsoft Graph')
    expect(told('update', 'OauthApp', 3, { credentials: [['abc'], ['abc', 'def']] })).toBe('changed the OAuth app Contoso: credentials: added def')
    expect(told('destroy', 'ConnectLink', 12, { status: 'revoked' })).toBe('withdrew connect link 12')
    expect(told('create', 'ConnectLink', 12, { inbox_id: 1 })).toBe('made connect link 12 for Help')
    expect(told('update', 'Webhook', 4, { secret: ['…', '…'] })).toBe('gave the webhook CRM a new secret')
    expect(told('update', 'Contact', 3, { merged_contact_id: 5 })).toBe('merged contact 5 into contact 3')
    expect(told('destroy', 'Conversation', 12, { inbox_id: 8 })).toBe('deleted conversation 12 of inbox 8')
  })
  it('reads well where the thing is gone or nobody here knows its kind', () => {
    expect(told('update', 'Inbox', 8, { name: ['Old', 'New'] }, {})).toBe('changed the inbox Old: name from Old to New')
    expect(told('destroy', 'Webhook', 8, {})).toBe('deleted the webhook no. 8')
    expect(told('update', 'SavedReply::Folder', 8, { some_field: ['a', 'b'], other: { deep: 1 } })).toBe('changed the saved reply folder no. 8: some field from a to b; other {"deep":1}')
    expect(told('update', 'Inbox', 1, {})).toBe('changed the inbox Help')
    expect(valueWords('note', 'x'.repeat(200))).toHaveLength(80)
  })
  it('remembers what the log itself told of what is gone', () => {
    const entry = (action: string, auditable_type: string, auditable_id: number, audited_changes: object) => ({ action, auditable_type, auditable_id, audited_changes }) as Entry
    const known = withGone(names, [entry('destroy', 'Webhook', 8, {}), entry('update', 'Webhook', 8, { name: ['Old', 'New'] }), entry('create', 'Webhook', 8, { name: 'Older' }), entry('create', 'AccountUser', 9, { email: 'dora@demo.example' }), entry('create', 'Inbox', 1, { name: 'Support' })])
    expect(told('destroy', 'Webhook', 8, {}, known)).toBe('deleted the webhook Old')
    expect(told('destroy', 'AccountUser', 9, {}, known)).toBe('removed the agent dora@demo.example from the account')
    expect(told('update', 'InboxMember', 1, { user_ids: [[9], []] }, known)).toBe('changed who works in the inbox Help: removed dora@demo.example')
  })
  it('names whoever did it', () => {
    expect(whoDid({ user_id: 5, username: 'ada@demo.example' }, names)).toBe('Ada')
    expect(whoDid({ user_id: 50, username: 'gone@demo.example' }, names)).toBe('gone@demo.example')
    expect(whoDid({ user_id: null, username: null }, names)).toBe('Whoever runs this server')
  })
})
