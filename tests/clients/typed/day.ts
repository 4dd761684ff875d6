// A short day with a client whose types are made of openapi/openapi.json: whatever the document says wrongly does not compile, or is not so.
//
// schema.d.ts lies beside this when tests/it/clients.rs has made it.
import assert from 'node:assert/strict'
import createClient from 'openapi-fetch'
import type { components, paths } from './schema.js'

type Conversation = components['schemas']['Conversation']

function environment(name: string): string {
  const value = process.env[name]
  assert.ok(value, `${name} is not set`)
  return value
}

const baseUrl = environment('POSTROOM_URL')
const account_id = Number(environment('POSTROOM_ACCOUNT'))
const client = createClient<paths>({ baseUrl, headers: { api_access_token: environment('POSTROOM_TOKEN') } })
const PATIENCE = 100_000

/** What was answered, or the document's error. */
function told<T>({ data, error, response }: { data?: T; error?: unknown; response: Response }): T {
  assert.ok(data !== undefined && error === undefined, `${response.url}: ${response.status} ${JSON.stringify(error)}`)
  return data
}

async function eventually<T>(what: string, holds: () => Promise<T | undefined | false>): Promise<T> {
  const until = Date.now() + PATIENCE
  while (Date.now() < until) {
    const found = await holds()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`never: ${what}`)
}

const account = { path: { account_id } }
const me = told(await client.GET('/api/v1/profile'))
assert.equal(me.role, 'administrator')

const { meta, payload } = told(await client.GET('/api/v1/accounts/{account_id}/conversations', { params: { ...account, query: { status: 'open', assignee_type: 'all' } } })).data
assert.equal(meta.all_count, payload.length)
const order: Conversation | undefined = payload.find((one) => one.additional_attributes['mail_subject'] === 'Order')
assert.ok(order)
const conversation = { path: { account_id, conversation_id: order.id } }
assert.equal(order.meta.sender.email, 'ada@customer.example')

const messages = '/api/v1/accounts/{account_id}/conversations/{conversation_id}/messages'
const said = async () => told(await client.GET(messages, { params: conversation })).payload
const note = told(await client.POST(messages, { params: conversation, body: { content: 'She is right, see the order.', private: true } }))
assert.equal(note.private, true)
const reply = told(await client.POST(messages, { params: { ...conversation, header: { 'Idempotency-Key': crypto.randomUUID() } }, body: { content: 'It left **yesterday**.', cc_emails: ['boss@customer.example'], delay_seconds: 0 } }))
await eventually('it was sent', async () => (await said()).find((one) => one.id === reply.id)?.delivery?.state === 'sent')
await eventually('Ada has answered', async () => (await said()).at(-1)?.content?.startsWith('Thank you'))

const label = told(await client.POST('/api/v1/accounts/{account_id}/labels', { params: account, body: { title: 'vip', color: '#ff0000' } }))
const marked = told(await client.POST('/api/v1/accounts/{account_id}/conversations/{conversation_id}/labels', { params: conversation, body: { labels: [label.title] } }))
assert.deepEqual(marked.payload, ['vip'])
const listed = told(await client.GET('/api/v1/accounts/{account_id}/conversations', { params: { ...account, query: { 'labels[]': ['vip'] } } }))
assert.deepEqual(listed.data.payload.map((one) => one.id), [order.id])

const assignments = '/api/v1/accounts/{account_id}/conversations/{conversation_id}/assignments'
const assigned = told(await client.POST(assignments, { params: conversation, body: { assignee_id: me.id } }))
assert.ok(assigned !== null && 'email' in assigned && assigned.email === me.email)
const nobody = await client.POST(assignments, { params: conversation, body: { assignee_id: null } })
assert.equal(nobody.data, null)

const later = Math.floor(Date.now() / 1000) + 3600
const toggled = told(await client.POST('/api/v1/accounts/{account_id}/conversations/{conversation_id}/toggle_status', { params: conversation, body: { status: 'snoozed', snoozed_until: later } }))
assert.equal(toggled.payload.current_status, 'snoozed')
const patched = told(await client.PATCH('/api/v1/accounts/{account_id}/conversations/{conversation_id}', { params: conversation, body: { priority: 'urgent' } }))
assert.equal(patched.priority, 'urgent')

const absent = await client.GET('/api/v1/accounts/{account_id}/conversations/{conversation_id}', { params: { path: { account_id, conversation_id: 4711 } } })
assert.equal(absent.response.status, 404)
assert.equal(absent.error?.code, 'not_found')
const wrong = await client.POST('/api/v1/accounts/{account_id}/labels', { params: account, body: { title: 'vip' } })
assert.equal(wrong.response.status, 422)
assert.ok(wrong.error && wrong.error.attributes?.includes('title'))
console.log('done')
