// What was begun and not sent, per conversation and person: on this device at once, on the server a moment later, so that it is there on the next device.
// Files are not kept.
import { client } from '../api/client'

export interface Kept {
  content: string
  private: boolean
  to?: string[]
  cc?: string[]
  bcc?: string[]
}
const PATH = '/api/v1/accounts/{account_id}/conversations/{conversation_id}/draft_messages'
const PAUSE = 1500

export class Drafts {
  private readonly name: string
  private readonly at: { params: { path: { account_id: number; conversation_id: number } } }
  private pause: ReturnType<typeof setTimeout> | undefined
  private waiting: (() => void) | null = null

  constructor(account: number, conversation: number, user: number) {
    this.name = `postroom.draft.${user}.${account}.${conversation}`
    this.at = { params: { path: { account_id: account, conversation_id: conversation } } }
  }

  here(): Kept | null {
    try {
      return JSON.parse(localStorage.getItem(this.name) ?? 'null') as Kept | null
    } catch {
      return null
    }
  }

  /** What was begun on another device. Nothing where it is not known. */
  async elsewhere(): Promise<Kept | null> {
    const found = await client.GET(PATH, this.at).catch(() => null)
    if (!found?.has_draft || !found.message) return null
    const people = found.to_emails?.length ? { to: found.to_emails, cc: found.cc_emails ?? [], bcc: found.bcc_emails ?? [] } : {}
    return { content: found.message, private: found.private ?? false, ...people }
  }

  keep(draft: Kept | null) {
    const kept = draft?.content.trim() ? draft : null
    const had = this.here() !== null
    try {
      if (kept) localStorage.setItem(this.name, JSON.stringify(kept))
      else localStorage.removeItem(this.name)
    } catch {
      // The device's storage is full or forbidden: the text is still in the editor.
    }
    clearTimeout(this.pause)
    this.waiting = null
    if (!kept && !had) return
    if (!kept) return void client.DELETE(PATH, this.at).catch(() => {})
    this.waiting = () => {
      this.waiting = null
      const body = { draft_message: { message: kept.content, private: kept.private, to_emails: kept.to ?? [], cc_emails: kept.cc ?? [], bcc_emails: kept.bcc ?? [] } }
      void client.PATCH(PATH, { ...this.at, body }).catch(() => {})
    }
    this.pause = setTimeout(() => this.waiting?.(), PAUSE)
  }

  /** One goes elsewhere: what is not on the server yet goes there now. */
  leave() {
    clearTimeout(this.pause)
    this.waiting?.()
  }
}
