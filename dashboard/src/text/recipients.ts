// Who a reply goes to, and addresses as people type and paste them.
import type { Message } from '../api/types'
import { INCOMING, OUTGOING, mailOf } from '../api/types'

export interface Recipients {
  to: string[]
  cc: string[]
  bcc: string[]
}

const ADDRESS = /[^\s<>()[\]",;:@]+@[^\s<>()[\]",;:@]+/g

/** The addresses in a text: lists with commas, semicolons or lines, "Name <address>", `mailto:`. Each once. */
export function addressesIn(text: string): string[] {
  return unique(text.match(ADDRESS) ?? [])
}

export const isAddress = (text: string) => /^[^\s<>()[\]",;:@]+@[^\s<>()[\]",;:@]+\.?[^\s<>()[\]",;:@]*$/.test(text)

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()

export function unique(addresses: string[]): string[] {
  return addresses.filter((address, at) => addresses.findIndex((other) => same(other, address)) === at)
}

/**
 * Answer everybody: whoever wrote last (their Reply-To, if they named one), and the others of that mail as copies. Where we wrote last, the same people again.
 * Never ourselves, and never anybody twice. Notes and what the system says are no mails.
 */
export function recipientsOf(messages: Message[], contact: string | null, ours: string[]): Recipients {
  const isOurs = (address: string) => ours.some((own) => same(own, address))
  const mails = messages.filter((message) => !message.private && (message.message_type === INCOMING || message.message_type === OUTGOING))
  const last = mails.at(-1)
  let to: string[] = []
  let cc: string[] = []
  if (last?.message_type === INCOMING) {
    const people = mailOf(last).email?.people ?? {}
    const of = (list: { address: string }[] | undefined) => (list ?? []).map((person) => person.address)
    to = of(people.reply_to).length > 0 ? of(people.reply_to) : of(people.from)
    cc = [...of(people.to), ...of(people.cc)]
  } else if (last) {
    to = mailOf(last).to_emails ?? []
    cc = mailOf(last).cc_emails ?? []
  }
  to = unique(to).filter((address) => !isOurs(address))
  if (to.length === 0 && contact) to = [contact]
  cc = unique(cc).filter((address) => !isOurs(address) && !to.some((one) => same(one, address)))
  return { to, cc, bcc: [] }
}
