// An agent's day with the JavaScript SDK (npm @figuro/chatwoot-sdk), against the server that the environment names.
//
// The story in tests/it/clients.rs plays the customer meanwhile: Ada has written "Order", Grace "Invoice" with a file; Ada answers the reply.
// What the SDK cannot do at Chatwoot either is told in docs/COMPATIBILITY.md, and stands here as it is.
import assert from 'node:assert/strict'
import sdk from '@figuro/chatwoot-sdk'

const { POSTROOM_URL: base, POSTROOM_TOKEN: token, POSTROOM_AGENT_TOKEN: agentToken } = process.env
const accountId = Number(process.env.POSTROOM_ACCOUNT)
const PATIENCE = 100_000
const as = (token, basePath = base) => new sdk.default({ config: { basePath, with_credentials: true, credentials: 'include', token } })
const client = as(token)

async function eventually(what, holds) {
  const until = Date.now() + PATIENCE
  while (Date.now() < until) {
    const found = await holds()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`never: ${what}`)
}

const ids = (list) => list.map((one) => one.id).sort((a, b) => a - b)
const refused = (status, call) => assert.rejects(call, (error) => error.status === status || assert.fail(`${error.status} ${JSON.stringify(error.body)}`))

async function people(me) {
  const bea = await client.agents.create({ accountId, data: { name: 'Bea', email: 'bea@contoso.example', role: 'agent', password: 'a long password 1' } })
  assert.equal(bea.role, 'agent')
  assert.equal((await client.agents.update({ accountId, id: bea.id, data: { role: 'agent', availability: 'busy' } })).availability_status, 'busy')
  assert.equal((await client.agents.list({ accountId })).length, 3)

  const team = await client.teams.create({ accountId, data: { name: 'billing', description: 'Money', allow_auto_assign: false } })
  assert.equal((await client.teams.update({ accountId, teamId: team.id, data: { description: 'All money' } })).description, 'All money')
  assert.deepEqual(await client.teams.get({ accountId, teamId: team.id }), (await client.teams.list({ accountId }))[0])
  // Their members are asked for beside /api/v1: whoever needs them names it in the base.
  const { teams } = as(token, `${base}/api/v1`)
  const members = { accountId, teamId: team.id }
  assert.deepEqual(ids(await teams.addAgent({ ...members, data: { user_ids: [me.id, bea.id] } })), ids([me, bea]))
  assert.deepEqual(ids(await teams.updateAgentsInTeam({ ...members, data: { user_ids: [bea.id] } })), [bea.id])
  await teams.removeAgent({ ...members, data: { user_ids: [bea.id] } })
  assert.deepEqual(await teams.listMembers(members), [])
  return { bea, team }
}

async function inboxes(me, bea) {
  const [inbox, ...others] = (await client.inboxes.list({ accountId })).payload
  assert.deepEqual(others, [])
  // It asks for one with a slash at the end, which Rails takes.
  assert.deepEqual(await client.inboxes.get({ accountId, id: inbox.id }), inbox)
  assert.equal((await client.inboxes.update({ accountId, id: inbox.id, data: { name: 'Support desk' } })).name, 'Support desk')
  const list = async () => ids((await client.inboxes.listAgents({ accountId, inboxId: inbox.id })).payload)
  await client.inboxes.updateAgentsInInbox({ accountId, data: { inbox_id: inbox.id, user_ids: [me.id] } })
  assert.deepEqual(await list(), [me.id])
  await client.inboxes.addAgent({ accountId, data: { inbox_id: inbox.id, user_ids: [bea.id] } })
  assert.deepEqual(await list(), ids([me, bea]))
  return inbox
}

async function things() {
  const canned = await client.cannedResponses.create({ accountId, data: { short_code: 'thanks', content: 'Thank you for writing.' } })
  const changed = await client.cannedResponses.update({ accountId, id: canned.id, data: { short_code: 'thanks', content: 'Thank you!' } })
  assert.deepEqual([changed.short_code, changed.content, changed.account_id], ['thanks', 'Thank you!', accountId])
  assert.deepEqual(ids(await client.cannedResponses.list({ accountId })), [canned.id])
  await client.cannedResponses.delete({ accountId, id: canned.id })
  assert.deepEqual(await client.cannedResponses.list({ accountId }), [])

  const field = { attribute_display_name: 'Plan', attribute_display_type: 0, attribute_description: 'What they pay', attribute_key: 'plan', attribute_values: [], attribute_model: 1 }
  const attribute = await client.customAttributes.create({ accountId, data: field })
  assert.deepEqual([attribute.attribute_key, attribute.attribute_model], ['plan', 'contact_attribute'])
  assert.equal((await client.customAttributes.update({ accountId, id: attribute.id, data: { ...field, attribute_display_name: 'Tariff' } })).attribute_display_name, 'Tariff')
  assert.equal((await client.customAttributes.get({ accountId, id: attribute.id })).attribute_display_name, 'Tariff')
  assert.deepEqual(ids(await client.customAttributes.list({ accountId, attributeModel: '1' })), [attribute.id])
  assert.deepEqual(await client.customAttributes.list({ accountId, attributeModel: '0' }), [])
  await client.customAttributes.delete({ accountId, id: attribute.id })

  const query = { payload: [{ attribute_key: 'status', filter_operator: 'equal_to', values: ['open'], query_operator: null }] }
  const view = await client.customFilters.create({ accountId, filterType: 'conversation', data: { name: 'Open ones', type: 'conversation', query } })
  assert.deepEqual(view.query, query)
  assert.equal((await client.customFilters.update({ accountId, customFilterId: view.id, data: { name: 'Still open', type: 'conversation', query } })).name, 'Still open')
  assert.equal((await client.customFilters.get({ accountId, customFilterId: view.id })).name, 'Still open')
  assert.deepEqual(ids(await client.customFilters.list({ accountId, filterType: 'conversation' })), [view.id])
  await client.customFilters.delete({ accountId, customFilterId: view.id })

  const { payload: { webhook } } = await client.webhooks.create({ accountId, data: { url: 'https://hooks.contoso.example/a', subscriptions: ['message_created'] } })
  assert.deepEqual(webhook.subscriptions, ['message_created'])
  await client.webhooks.update({ accountId, webhookId: webhook.id, data: { url: 'https://hooks.contoso.example/b', subscriptions: ['conversation_created'] } })
  const [hook, ...more] = (await client.webhooks.list({ accountId })).payload.webhooks
  assert.deepEqual([hook.url, hook.subscriptions, more], ['https://hooks.contoso.example/b', ['conversation_created'], []])
  await client.webhooks.delete({ accountId, webhookId: webhook.id })
}

async function contacts(inbox) {
  const { meta, payload } = await client.contacts.list({ accountId, sort: 'email' })
  assert.deepEqual([meta.count, payload.map((one) => one.email)], [2, ['ada@customer.example', 'grace@navy.example']])
  // The search index follows by some seconds.
  const found = () => client.contacts.search({ accountId, q: 'grace', sort: 'name' })
  await eventually('Grace is found', async () => (await found()).meta.count > 0)
  assert.deepEqual((await found()).payload.map((one) => one.email), ['grace@navy.example'])
  const made = (await client.contacts.create({ accountId, data: { inbox_id: inbox.id, name: 'Alan', email: 'alan@bletchley.example', identifier: 'crm-7', custom_attributes: { plan: 'gold' } } })).payload
  assert.equal(made.contact_inbox.source_id, 'alan@bletchley.example')
  const alan = (await client.contacts.update({ accountId, id: made.contact.id, data: { name: 'Alan Turing' } })).payload
  assert.deepEqual((await client.contacts.get({ accountId, id: alan.id })).payload, alan)
  assert.deepEqual([alan.name, alan.identifier, alan.custom_attributes], ['Alan Turing', 'crm-7', { plan: 'gold' }])
  const condition = [{ attribute_key: 'email', filter_operator: 'equal_to', values: ['alan@bletchley.example'], query_operator: null }]
  assert.deepEqual(ids((await client.contacts.filter({ accountId, payload: condition })).payload), [alan.id])
  assert.equal((await client.contact.getContactable({ accountId, id: alan.id })).payload[0].inbox.id, inbox.id)
  const doomed = (await client.contacts.create({ accountId, data: { name: 'Nobody' } })).payload.contact
  assert.equal((await client.contact.create({ accountId, id: doomed.id, data: { inbox_id: inbox.id, source_id: 'nobody@nowhere.example' } })).source_id, 'nobody@nowhere.example')
  await client.contacts.delete({ accountId, id: doomed.id })
  await refused(404, () => client.contacts.get({ accountId, id: doomed.id }))
  return alan
}

async function conversations({ me, bea, team, inbox, alan }) {
  const counts = { mine_count: 0, assigned_count: 0, unassigned_count: 2, all_count: 2 }
  assert.deepEqual(await client.conversations.getMeta({ accountId }), { meta: counts })
  const { data } = await client.conversations.list({ accountId })
  assert.deepEqual(data.meta, counts)
  const called = (subject) => data.payload.find((one) => one.additional_attributes.mail_subject === subject)
  const [order, invoice] = [called('Order').id, called('Invoice').id]
  const said = async (conversationId) => (await client.messages.list({ accountId, conversationId })).payload.filter((one) => one.message_type !== 2)

  // Grace's file.
  const [file] = (await said(invoice))[0].attachments
  assert.deepEqual([file.file_type, file.file_name], ['file', 'invoice.txt'])
  assert.equal(await (await fetch(file.data_url)).text(), 'Pay 90\r\n')

  // A note, and a reply with a file; Ada answers it. The SDK sends messages as forms.
  const note = await client.messages.create({ accountId, conversationId: order, data: { content: 'She is right, see the order.', private: true } })
  assert.deepEqual([note.private, note.message_type, note.sender.id], [true, 1, me.id])
  const attachments = [{ content: Buffer.from('Credit: 81').toString('base64'), encoding: 'base64', filename: 'credit.txt' }]
  const reply = await client.messages.create({ accountId, conversationId: order, data: { content: 'It left **yesterday**.', message_type: 'outgoing', private: false, cc_emails: 'boss@customer.example', content_attributes: { cc_emails: ['boss@customer.example'] }, attachments } })
  assert.deepEqual([reply.private, reply.attachments.length, reply.attachments[0].file_size], [false, 1, 10])
  await eventually('Ada has answered', async () => (await said(order)).at(-1).content.startsWith('Thank you'))
  assert.deepEqual((await said(order)).map((one) => [one.message_type, one.private]), [[0, false], [1, true], [1, false], [0, false]])
  await client.messages.delete({ accountId, conversationId: order, messageId: note.id })
  assert.equal((await said(order))[1].content_attributes.deleted, true)
  // Only where a program brings the messages may a program say how they are doing, at Chatwoot as here.
  await refused(405, () => client.messages.update({ accountId, conversationId: order, messageId: reply.id, data: { content: 'x' } }))

  // Sorting it.
  assert.deepEqual((await client.conversationLabels.add({ accountId, conversationId: order, data: { labels: ['vip', 'billing'] } })).payload.sort(), ['billing', 'vip'])
  assert.deepEqual((await client.conversationLabels.list({ accountId, conversationId: order })).payload.sort(), ['billing', 'vip'])
  assert.equal((await client.conversationAssignment.assign({ accountId, conversationId: order, data: { assignee_id: bea.id } })).id, bea.id)
  assert.equal((await client.conversationAssignment.assign({ accountId, conversationId: invoice, data: { team_id: team.id } })).name, 'billing')
  assert.equal((await client.conversations.get({ accountId, conversationId: order })).meta.assignee.email, 'bea@contoso.example')
  const listed = async (asked) => ids((await client.conversations.list({ accountId, ...asked })).data.payload)
  assert.deepEqual(await listed({ labels: ['vip'] }), [order])
  assert.deepEqual(await listed({ labels: ['vip', 'nothing'] }), [order])
  assert.deepEqual(await listed({ teamId: team.id, inboxId: inbox.id }), [invoice])
  assert.deepEqual(await listed({ assigneeType: 'me' }), [])
  assert.deepEqual(await listed({ assigneeType: 'unassigned' }), [invoice])
  assert.equal((await client.conversations.getMeta({ accountId, labels: ['billing'] })).meta.all_count, 1)
  await eventually('it is found', async () => (await listed({ q: 'credit' })).includes(order))
  const condition = [{ attribute_key: 'assignee_id', filter_operator: 'equal_to', values: [bea.id], query_operator: null }]
  assert.deepEqual(ids((await client.conversations.filter({ accountId, payload: condition, page: 1 })).payload), [order])

  // Putting it off and being done with it.
  for (const status of ['pending', 'snoozed', 'open', 'resolved']) {
    const { payload } = await client.conversations.toggleStatus({ accountId, conversationId: order, data: { status } })
    assert.deepEqual([payload.success, payload.current_status, payload.conversation_id], [true, status, order])
    assert.deepEqual(await listed({ status, labels: ['vip'] }), [order])
  }

  // Beginning one.
  const begun = await client.conversations.create({ accountId, data: { source_id: 'alan@bletchley.example', inbox_id: inbox.id, contact_id: alan.id, additional_attributes: { mail_subject: 'Your machine' }, status: 'open', message: { content: 'Is it running?' } } })
  assert.equal(begun.meta.sender.id, alan.id)
  await eventually('it has left', async () => (await said(begun.id)).at(-1).status === 'sent')
  assert.deepEqual(ids((await client.contacts.listConversations({ accountId, id: alan.id })).payload), [begun.id])
  return { order, invoice }
}

async function refusals(inbox, order) {
  await refused(401, () => as('wrong').profile.profile())
  // An agent who is in no inbox: not theirs to change, and not theirs to see.
  const cleo = as(agentToken)
  assert.equal((await cleo.profile.profile()).role, 'agent')
  await refused(403, () => cleo.webhooks.list({ accountId }))
  await refused(404, () => cleo.conversations.get({ accountId, conversationId: order }))
  assert.deepEqual((await cleo.inboxes.list({ accountId })).payload, [])
  // A path of the SDK that Chatwoot has not, and channels, bots, rules and reports that Postroom has not.
  await refused(405, () => client.inboxes.removeAgent({ accountId, inboxId: inbox.id, data: { inbox_id: inbox.id, user_ids: [] } }))
  await refused(405, () => client.inboxes.create({ accountId, data: { name: 'Chat', channel: { type: 'api' } } }))
  await refused(404, () => client.inboxes.getAgentBot({ accountId, id: inbox.id }))
  await refused(404, () => client.automationRule.list({ accountId }))
}

const me = await client.profile.profile()
assert.deepEqual([me.role, me.account_id, me.accounts.map((one) => one.id)], ['administrator', accountId, [accountId]])
const { bea, team } = await people(me)
const inbox = await inboxes(me, bea)
await things()
const alan = await contacts(inbox)
const { order } = await conversations({ me, bea, team, inbox, alan })
await refusals(inbox, order)
await client.teams.delete({ accountId, teamId: team.id })
await client.agents.delete({ accountId, id: bea.id })
assert.ok(!ids(await client.agents.list({ accountId })).includes(bea.id))
console.log('done')
