// A mailbox has a bad day: the desk says so, its page says what changed and which step fails, and all of it ends with the day.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, World } from './world.mjs'

const world = await World.start()
const notice = (page) => page.getByRole('complementary', { name: 'Mailboxes' })
/** SMTP is switched off. A connection that stands goes on sending; whoever opens the next one meets it. */
async function beginToRefuse() {
  await world.badDay('sending_off')
  const [{ id }] = (await world.api('GET', '/inboxes')).payload
  await world.api('POST', `/inboxes/${id}/health/try_again`, { part: 'send' })
}
const conversation = (page) => page.getByRole('main', { name: 'Conversation' })

test('a bad day of a mailbox is told in the desk, explained on its page step by step, and over when it is over', async () => {
  await world.agent('Bob Builder', 'bob@demo.example')
  const page = await world.page({ path: '/1?tab=all' })
  const bob = await world.page({ path: '?tab=all', email: 'bob@demo.example', password: 'a-long-password-1' })
  assert.equal(await notice(page).count(), 0)
  await beginToRefuse()
  await conversation(page).getByRole('textbox', { name: 'Reply' }).fill('This has to wait.')
  await conversation(page).getByRole('button', { name: 'Send' }).click()
  await notice(page).getByText(/^Sending from Contoso Support is blocked\. /).waitFor()
  // An agent can do nothing about it, and hears only what it means for their work.
  await notice(bob).getByText('Replies from Contoso Support may be late. None is lost, and administrators see why.').waitFor()
  assert.equal(await notice(bob).getByRole('link').count(), 0)
  await bob.reload()
  await notice(bob).getByText(/^Replies from Contoso Support may be late/).waitFor()
  await notice(page).getByRole('link', { name: 'What to do' }).click()
  const health = page.getByRole('region', { name: 'Health' })
  await health.getByText('Sending blocked from outside').first().waitFor()
  assert.match(await health.getByRole('link', { name: /Step by step/ }).first().getAttribute('href'), /\/help\/smtp_auth_disabled$/)
  const changes = health.getByRole('list', { name: 'What has changed' })
  await changes.getByText(/^Sending has been blocked from outside for \d+ (s|min)$/).waitFor()
  await changes.getByText(/^Sending worked for /).waitFor()
  // Which step it is, and its cure; the others work.
  await page.getByRole('button', { name: 'Diagnose' }).click()
  const dialog = page.getByRole('dialog', { name: /^Diagnosis of/ })
  await dialog.getByText('Something does not work.').waitFor()
  const step = (way, name) => dialog.getByRole('region', { name: way }).getByRole('listitem').filter({ hasText: name })
  await step('Sending', 'Sign-in').getByText('failed').waitFor()
  await step('Sending', 'Sign-in').getByText(/switches on "Authenticated SMTP"/).waitFor()
  await step('Sending', 'Leave to send').getByText('not tried').waitFor()
  for (const name of ['Connection', 'Encryption', 'Sign-in', 'Opening the mailbox']) await step('Reading', name).getByText('works').waitFor()
  await step('Permission', 'A fresh pass').getByText('works').waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Diagnose' }).and(page.locator(':focus')).waitFor()
  // The day ends.
  await world.badDay('none')
  await health.getByRole('button', { name: 'Try again' }).click()
  await health.getByText('Sending works', { exact: true }).waitFor()
  await changes.getByText(/^Sending was blocked from outside for \d+ (s|min)$/).waitFor()
  await notice(bob).waitFor({ state: 'detached' })
  await page.goto(world.path('/1?tab=all'))
  const waited = conversation(page).getByRole('article', { name: /^Mail from Demo/ }).filter({ hasText: 'This has to wait.' })
  await waited.getByText('Sent', { exact: true }).waitFor()
  assert.equal(await notice(page).count(), 0)
  assert.deepEqual([...page.problems, ...bob.problems], [])
  await bob.context().close()
  await page.context().close()
})

test('what is told of mailboxes can be put away until something changes', async () => {
  const page = await world.page({ path: '?tab=all' })
  await beginToRefuse()
  await notice(page).getByText(/^Sending from Contoso Support is blocked/).waitFor()
  await notice(page).getByRole('button', { name: 'Dismiss' }).click()
  await notice(page).waitFor({ state: 'detached' })
  // What there is to say is known again when this was asked, and it stays put away.
  await Promise.all([page.waitForResponse(/\/health_notices$/), page.reload()])
  await page.getByRole('link').filter({ hasText: 'My parcel has not arrived' }).first().waitFor()
  assert.equal(await notice(page).count(), 0)
  // More goes wrong: that is said.
  await world.badDay('password_changed')
  await notice(page).getByText(/Contoso Support/).waitFor()
  await world.badDay('none')
  assert.deepEqual(page.problems, [])
  await page.context().close()
})
