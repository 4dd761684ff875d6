// The document's shapes under short names, and what a mail says about itself inside `content_attributes`.
import type { components } from './schema'

type Schemas = components['schemas']
export type Profile = Schemas['Profile']
export type Conversation = Schemas['Conversation']
export type ConversationPage = Schemas['ConversationPage']
export type Counts = Schemas['ConversationCounts']
export type Message = Schemas['Message']
export type MessagePush = Schemas['MessagePush']
export type Delivery = Schemas['Delivery']
export type Failure = Schemas['Failure']
export type Attachment = Schemas['Attachment']
export type Inbox = Schemas['Inbox']
export type Health = Schemas['Health']
export type HealthNotice = Schemas['HealthNotice']
export type Agent = Schemas['Agent']
export type Contact = Schemas['Contact']
export type Status = Schemas['ConversationStatus']
export type Priority = Schemas['Priority']
export type Sort = Schemas['SortWord']
export type FilterCondition = Schemas['FilterCondition']
export type View = Schemas['CustomFilter']
export type Connection = Schemas['Connection']

export interface Person {
  address: string
  name: string | null
}
/** What `content_attributes` holds of a mail. */
export interface MailAttributes {
  email?: {
    subject?: string | null
    kind?: string
    auto_reply?: boolean
    imported?: boolean
    defects?: string[]
    number_of_attachments?: number
    people?: { from?: Person[]; to?: Person[]; cc?: Person[]; reply_to?: Person[] }
    text_content?: { full?: string; reply?: string; quoted?: string } | null
    html_content?: { full?: string; reply?: string; quoted?: string } | null
  }
  to_emails?: string[]
  cc_emails?: string[]
  bcc_emails?: string[]
  deleted?: boolean
}
export const mailOf = (message: { content_attributes: unknown }) => message.content_attributes as MailAttributes

export const INCOMING = 0
export const OUTGOING = 1
export const ACTIVITY = 2
