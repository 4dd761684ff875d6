// Who a reply goes to.
import { describe, expect, it } from 'vitest'
import type { Message } from '../src/api/types'
import { addressesIn, recipientsOf } from '../src/text/recipients'

const ours = ['support@contoso.example']
const incoming = (people: Record<string, string[]>, more: Partial<Message> = {}) =>
  ({ message_type: 0, private: false, content_attributes: { email: { people: Object.fromEntries(Object.entries(people).map(([kind, list]) => [kind, list.map((address) => ({ address, name: null }))])) } }, ...more }) as unknown as Message
const outgoing = (to: string[], cc: string[], more: Partial<Message> = {}) => ({ message_type: 1, private: false, content_attributes: { to_emails: to, cc_emails: cc, bcc_emails: ['secret@contoso.example'] }, ...more }) as unknown as Message

describe('recipients of a reply', () => {
  it('answers everybody of the last mail, and never ourselves', () => {
    const mail = incoming({ from: ['ada@customer.example'], to: ['Support@contoso.example', 'bob@customer.example'], cc: ['eve@partner.example', 'ADA@customer.example'] })
    expect(recipientsOf([mail], 'ada@customer.example', ours)).toEqual({ to: ['ada@customer.example'], cc: ['bob@customer.example', 'eve@partner.example'], bcc: [] })
  })
  it('answers where Reply-To says', () => {
    const mail = incoming({ from: ['no-reply@shop.example'], reply_to: ['orders@shop.example'], to: ours })
    expect(recipientsOf([mail], null, ours).to).toEqual(['orders@shop.example'])
  })
  it('writes to the same people again where we wrote last, and keeps hidden copies hidden', () => {
    expect(recipientsOf([incoming({ from: ['ada@customer.example'] }), outgoing(['bob@customer.example'], ['eve@partner.example'])], 'ada@customer.example', ours)).toEqual({ to: ['bob@customer.example'], cc: ['eve@partner.example'], bcc: [] })
  })
  it('passes over notes and what the system says', () => {
    const note = outgoing([], [], { private: true })
    const activity = outgoing([], [], { message_type: 2 })
    expect(recipientsOf([incoming({ from: ['ada@customer.example'] }), note, activity], null, ours).to).toEqual(['ada@customer.example'])
  })
  it('falls back on the contact where a mail names nobody', () => {
    expect(recipientsOf([incoming({ from: ours })], 'ada@customer.example', ours).to).toEqual(['ada@customer.example'])
    expect(recipientsOf([], null, ours)).toEqual({ to: [], cc: [], bcc: [] })
  })
})

describe('addresses in a text', () => {
  it('are found in lists, names and lines, each once', () => {
    expect(addressesIn('Ada Lovelace <ada@customer.example>; bob@x.example,\nmailto:eve@y.example ADA@customer.example')).toEqual(['ada@customer.example', 'bob@x.example', 'eve@y.example'])
    expect(addressesIn('nobody at all')).toEqual([])
  })
})
