// What goes wrong at the mailbox is told with its cause and its cure, and mended from the page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, atMicrosoft } from './microsoft.mjs'
import { eventually, World } from './world.mjs'

const world = await World.start()
const conversation = (page) => page.getByRole('main', { name: 'Conversation' })
const row = (page, subject) => page.getByRole('region', { name: 'Conversations' }).getByRole('link').filter({ hasText: subject })

const conversations = async () => (await world.api('GET', '/conversations?status=all&assignee_type=all')).data.payload
/** What the API says of the reply in the conversation that is called so. */
async function deliveryOf(subject) {
  const { id } = (await conversations()).find((one) => one.additional_attributes.mail_subject === subject)
  return (await world.api('GET', `/conversations/${id}/messages`)).payload.find((one) => one.message_type === 1)?.delivery
}
async function answered(subject, words) {
  await world.mail({ from: 'grace@navy.example', subject, text: 'Please answer.' })
  const page = await world.page({ path: '?tab=all' })
  await row(page, subject).click()
  await conversation(page).getByRole('textbox', { name: 'Reply' }).fill(words)
  await conversation(page).getByRole('button', { name: 'Send' }).click()
  return { page, sent: conversation(page).getByRole('article', { name: /^Mail from Demo/ }) }
}

test('a reply that is refused says why and who can mend it, is listed, and leaves when it is tried again', async () => {
  await world.badDay('refused')
  const { page, sent } = await answered('Refused at first', 'Here it is.')
  await sent.getByText('Not sent').waitFor()
  const { failure } = await deliveryOf('Refused at first')
  assert.ok(failure.cause && failure.cure)
  await sent.getByText(failure.cause).waitFor()
  await sent.getByText(failure.cure).waitFor()
  const help = sent.getByRole('link', { name: /Step by step/ })
  assert.match(await help.getAttribute('href'), /\/help\/message_refused$/)
  await sent.getByText('What the server said').click()
  await sent.getByText(/554 5\.7\.1 Message rejected as spam/).waitFor()
  await row(page, 'Refused at first').getByText('Not delivered').waitFor()
  await page.goto(world.settings('deliveries'))
  await page.getByRole('link', { name: /Refused at first/ }).waitFor()
  // The first try after the cure is the one that counts.
  await world.badDay('none')
  await page.getByRole('link', { name: /Refused at first/ }).click()
  await sent.getByRole('button', { name: 'Try again' }).click()
  await sent.getByText('Sent', { exact: true }).waitFor()
  assert.match(await world.received('grace@navy.example'), /Refused at first/)
  assert.deepEqual(page.problems, [])
  await page.context().close()
})

test('a reply whose answer was lost is found to have left, and goes out once', async () => {
  await world.badDay('none')
  await world.badDay('lost_answer')
  const { page, sent } = await answered('Perhaps it left', 'Did it arrive?')
  // The copy in the mailbox shows that it left: nobody has to say so, and it is not sent again.
  await sent.getByText('Sent', { exact: true }).waitFor()
  await eventually('the API says the same', async () => (await deliveryOf('Perhaps it left')).state === 'sent')
  assert.equal((await world.received('grace@navy.example')).match(/Perhaps it left/g).length, 1)
  await page.context().close()
})

test('a mailbox whose password was changed says so, and works again after signing in again', async () => {
  await world.badDay('none')
  await world.badDay('password_changed')
  const page = await world.page()
  await page.goto(world.settings('inboxes'))
  await page.getByText(/Reading: sign in again/).waitFor()
  await page.getByRole('link', { name: /support/i }).first().click()
  const health = page.getByRole('region', { name: 'Health' })
  await health.getByText('Reading waits until somebody signs in again').waitFor()
  await world.badDay('none')
  await accepted(await atMicrosoft(page, () => health.getByRole('button', { name: 'Sign in again' }).first().click(), 'support@contoso.example'), 'Connected')
  await health.getByText('Reading works').waitFor()
  assert.deepEqual(page.problems, [])
  await page.context().close()
})
