// What an administrator sets up besides mailboxes: webhooks with their log, the account, and what one wants to be told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, World } from './world.mjs'

const world = await World.start()
const settings = (rest) => `${world.base}/app/accounts/${world.account}/settings/${rest}`

test('a webhook is made with a secret that is shown once, its failures are told, and it is changed and deleted', async () => {
  const page = await world.page()
  await page.goto(settings('webhooks'))
  await page.getByRole('button', { name: 'New webhook' }).click()
  const dialog = page.getByRole('dialog', { name: 'New webhook' })
  // A name that no one can have: nobody is there.
  await dialog.getByLabel('Address').fill('https://told.invalid/hook')
  await dialog.getByLabel('Name').fill('CRM')
  await dialog.getByLabel(/Delivery of a reply/).check()
  await dialog.getByRole('button', { name: 'Save' }).click()
  const secret = await page.locator('.secret span').innerText()
  assert.ok(secret.length >= 20)
  const [{ subscriptions }] = (await world.api('GET', '/webhooks')).payload.webhooks
  assert.ok(subscriptions.includes('delivery_updated') && subscriptions.includes('message_created') && !subscriptions.includes('inbox_deleted'))
  await page.getByRole('button', { name: 'New secret' }).click()
  await eventually('there is another', async () => (await page.locator('.secret span').innerText()) !== secret)
  await page.reload()
  await page.getByRole('link', { name: 'CRM' }).waitFor()
  assert.equal(await page.locator('.secret').count(), 0)
  // Something happens, and is told to nobody.
  await world.mail({ from: 'grace@navy.example', subject: 'To be told', text: 'Hello.' })
  await page.getByRole('link', { name: 'CRM' }).click()
  const told = page.getByRole('listitem').filter({ hasText: 'message_created' }).first()
  await told.waitFor()
  await told.getByText(/Waiting|Failed/).first().waitFor()
  await page.getByRole('link', { name: 'Webhooks' }).first().click()
  await page.getByRole('button', { name: 'Edit CRM' }).click()
  const edit = page.getByRole('dialog', { name: 'Edit webhook' })
  await edit.getByLabel('Enabled').uncheck()
  await edit.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Disabled', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Delete CRM' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: 'There are no webhooks yet' }).waitFor()
  assert.deepEqual(page.problems, [])
  await page.context().close()
})

test('what a webhook was not told is told again from its log', async () => {
  // The demo asks no address of this machine, so nobody takes it; what can be seen is that it is tried from the beginning.
  const { payload: { webhook } } = await world.api('POST', '/webhooks', { webhook: { url: 'https://again.invalid/hook', name: 'Again', subscriptions: ['message_created'] } })
  const log = async () => (await world.api('GET', `/webhooks/${webhook.id}/deliveries`)).payload
  await world.mail({ from: 'grace@navy.example', subject: 'To be told again', text: 'Hello.' })
  const one = await eventually('it was tried', async () => (await log()).find(({ attempts }) => attempts > 0))
  // Nothing is told to a webhook that is disabled: its next try is the last.
  await world.api('PATCH', `/webhooks/${webhook.id}`, { enabled: false })
  await eventually('it was given up', async () => (await log())[0].state === 'failed')
  await world.api('PATCH', `/webhooks/${webhook.id}`, { enabled: true })
  const page = await world.page()
  await page.goto(settings(`webhooks/${webhook.id}`))
  await page.getByRole('button', { name: 'Failed', exact: true }).click()
  const told = page.getByRole('listitem').filter({ hasText: `no. ${one.seq}` })
  await told.getByText(/^disabled:/).waitFor()
  await told.getByText(/\d tries/).waitFor()
  await told.getByRole('button', { name: 'Tell again' }).click()
  await page.getByText('It is told once more.').waitFor()
  // It is none of those that failed any more, and its tries begin anew.
  await page.getByRole('heading', { name: 'Nothing here' }).waitFor()
  await page.getByRole('button', { name: 'Waiting', exact: true }).click()
  await told.getByText(/^unresolved:/).waitFor()
  assert.equal(await told.getByRole('button', { name: 'Tell again' }).isEnabled(), false)
  const after = await log()
  assert.deepEqual([after.length, after[0].id, after[0].state], [1, one.id, 'queued'])
  assert.ok(after[0].attempts < 5, `${after[0].attempts} tries`)
  assert.deepEqual(page.problems, [])
  await page.context().close()
})

test('the account is renamed, and what one wants to be told is kept', async () => {
  const page = await world.page()
  await page.goto(settings('account'))
  await page.getByLabel('Name').fill('Contoso Care')
  await page.getByLabel('Support address').fill('care@contoso.example')
  await page.getByLabel('Language').selectOption('Deutsch')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.').waitFor()
  const account = await world.api('GET', '')
  assert.deepEqual([account.name, account.support_email, account.locale], ['Contoso Care', 'care@contoso.example', 'de'])
  await page.goto(settings('profile'))
  const box = page.getByLabel('Somebody names me in a note: by mail')
  const before = await box.isChecked()
  await box.click()
  await eventually('it is kept', async () => (await world.api('GET', '/notification_settings')).selected_email_flags.includes('email_conversation_mention') === !before)
  // What is typed stays, whatever else becomes known meanwhile.
  await page.getByLabel('Shown as').fill('Demo, not saved')
  await page.getByLabel('Availability', { exact: true }).selectOption('Busy')
  await eventually('the server knows', async () => (await world.api('GET', '/agents')).find((one) => one.email === world.admin).availability_status === 'busy')
  await page.getByRole('button', { name: /^You:/ }).locator('.presence.busy').waitFor()
  assert.equal(await page.getByLabel('Shown as').inputValue(), 'Demo, not saved')
  await page.reload()
  assert.equal(await page.getByLabel('Somebody names me in a note: by mail').isChecked(), !before)
  assert.deepEqual(page.problems, [])
  await page.context().close()
})
