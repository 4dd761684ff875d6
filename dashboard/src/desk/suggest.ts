// What `/` and `@` bring while one writes: canned responses, and colleagues to name in a note.
import { client } from '../api/client'
import type { Agent, Profile } from '../api/types'
import type { Canned } from '../state/organising'

export interface Around {
  account: () => number
  /** Who can be named; nobody in a mail. */
  agents: () => Agent[]
  contact: () => { name: string; email?: string | null }
  me: () => Profile | undefined
}
type Ask = CustomEvent<{ key: string; text: string; provide: (answer: Promise<{ matched: boolean; fragment?: HTMLElement }>) => void }>
type Choice = CustomEvent<{ key: string; item: HTMLElement; value: string }>

/** `{{contact.name}}` and the like, as Chatwoot's canned responses have them. What is not known stays as it is. */
export function filled(text: string, contact: { name: string; email?: string | null }, me: { name: string; email: string } | undefined): string {
  const first = (name: string) => name.split(' ')[0] ?? ''
  const rest = (name: string) => name.split(' ').slice(1).join(' ')
  const known: Record<string, string | undefined> = {
    'contact.name': contact.name, 'contact.first_name': first(contact.name), 'contact.last_name': rest(contact.name), 'contact.email': contact.email ?? undefined,
    'agent.name': me?.name, 'agent.first_name': me && first(me.name), 'agent.last_name': me && rest(me.name), 'agent.email': me?.email,
  }
  return text.replace(/\{\{\s*([a-z_.]+)\s*\}\}/g, (all, name: string) => known[name] ?? all)
}

/** As the server orders them: where the short code begins with it, where that holds it, and where the text does. */
export function matching(all: readonly Canned[], text: string): Canned[] {
  const wanted = text.trim().toLowerCase()
  const rank = ({ short_code, content }: Canned) => {
    const at = short_code.toLowerCase().indexOf(wanted)
    return at === 0 ? 0 : at > 0 ? 1 : content.toLowerCase().includes(wanted) ? 2 : 3
  }
  return all.filter((one) => rank(one) < 3).sort((a, b) => rank(a) - rank(b))
}

const MINUTE = 60_000

function list(items: { title: string; about?: string; value: string }[]): HTMLElement {
  // The outer element is put where one writes; the box stands above it, because the editor stands at the end of the page.
  const list = document.createElement('div')
  list.role = 'listbox'
  list.className = 'suggestions'
  const box = list.appendChild(document.createElement('div'))
  box.role = 'presentation'
  for (const { title, about, value } of items) {
    const item = document.createElement('div')
    item.role = 'option'
    item.dataset.value = value
    const strong = item.appendChild(document.createElement('strong'))
    strong.textContent = title
    if (about) {
      const small = item.appendChild(document.createElement('span'))
      small.className = 'small quiet cut'
      small.textContent = about
    }
    box.append(item)
  }
  return list
}

export function suggest(expander: HTMLElement, around: Around) {
  // Read when a word begins, and looked through here: an answer that comes after a key leaves the old ones standing, of which Enter chooses none.
  let known: { account: number; at: number; all: Promise<Canned[]> } | null = null
  function every(isBegun: boolean): Promise<Canned[]> {
    const account = around.account()
    if (isBegun || known?.account !== account || Date.now() - known.at > MINUTE) {
      const all = client.GET('/api/v1/accounts/{account_id}/canned_responses', { params: { path: { account_id: account } } })
      known = { account, at: Date.now(), all }
      // Asked again with the next key.
      all.catch(() => (known = null))
    }
    return known!.all
  }
  async function canned(text: string) {
    const found = matching(await every(text === '').catch(() => []), text)
    const items = found.slice(0, 8).map((one) => ({ title: one.short_code, about: one.content.replace(/\s+/g, ' '), value: filled(one.content, around.contact(), around.me()) }))
    return { matched: items.length > 0, fragment: list(items) }
  }
  function people(text: string) {
    const wanted = text.toLowerCase()
    const found = around.agents().filter((agent) => `${agent.name} ${agent.email}`.toLowerCase().includes(wanted)).slice(0, 8)
    const items = found.map((agent) => ({ title: agent.available_name, about: agent.email, value: `[@${agent.available_name}](mention://user/${agent.id}/${encodeURIComponent(agent.available_name)})` }))
    return Promise.resolve({ matched: items.length > 0, fragment: list(items) })
  }
  expander.addEventListener('text-expander-change', (event) => {
    const { key, text, provide } = (event as Ask).detail
    provide(key === '/' ? canned(text) : people(text))
  })
  expander.addEventListener('text-expander-value', (event) => {
    const choice = (event as Choice).detail
    choice.value = choice.item.dataset.value ?? ''
  })
}
