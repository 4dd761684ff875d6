// People come in: an invitation is accepted with its link, a password is forgotten, and what one may see follows from who one is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, World } from './world.mjs'

const world = await World.start()

test('somebody is invited, chooses a password with the link, and works', async () => {
  const page = await world.page()
  await page.goto(world.settings('agents'))
  await page.getByRole('button', { name: 'Invite' }).click()
  await page.getByLabel('Name').fill('Grace Hopper')
  await page.getByLabel('E-mail').fill('grace@demo.example')
  await page.getByRole('dialog').getByRole('button', { name: 'Invite' }).click()
  const link = await page.locator('.secret').getByText(/reset_password_token=/).innerText()
  await page.getByRole('listitem').filter({ hasText: 'Grace Hopper' }).getByText('Invited').waitFor()
  // Whoever lost it is given another.
  await page.getByRole('button', { name: 'Invite again' }).click()
  await page.waitForFunction((old) => document.querySelector('.secret span')?.textContent !== old, link)
  const second = await page.locator('.secret').getByText(/reset_password_token=/).innerText()

  const browser = await world.browser.newContext()
  const grace = await world.watched(browser)
  const choose = async (address) => {
    await grace.goto(address)
    await grace.getByRole('heading', { name: 'Set a password' }).waitFor()
    await grace.getByLabel('New password').fill('a-long-password-2')
    await grace.getByLabel('The same again').fill('a-long-password-2')
    await grace.getByRole('button', { name: 'Set password' }).click()
  }
  await choose(second)
  await grace.getByRole('searchbox').waitFor()
  await grace.getByText('Your password is set.').waitFor()
  // Once there is a password, no link is good any more.
  await choose(link)
  await grace.getByRole('alert').waitFor()
  // An agent: no inbox yet, and no settings of the account.
  await grace.goto(world.settings('profile'))
  await grace.getByRole('link', { name: 'Canned responses' }).waitFor()
  assert.equal(await grace.getByRole('link', { name: 'Webhooks' }).count(), 0)
  await page.reload()
  await page.getByRole('listitem').filter({ hasText: 'Grace Hopper' }).waitFor()
  assert.equal(await page.getByRole('listitem').filter({ hasText: 'Grace Hopper' }).getByText('Invited').count(), 0)
  assert.deepEqual([...page.problems, ...grace.problems], [])
  await grace.context().close()
  await page.context().close()
})

test('where no mail leaves, a forgotten password says whom to ask', async () => {
  const browser = await world.browser.newContext()
  const page = await world.watched(browser)
  await page.goto(`${world.base}/app/sign-in`)
  await page.getByRole('link', { name: 'Forgotten password' }).click()
  // Signing in asks for an address, too, and stays until the next page is loaded.
  await page.getByRole('heading', { name: 'Forgotten password' }).waitFor()
  await page.getByLabel('E-mail').fill('grace@demo.example')
  await page.getByRole('button', { name: 'Send the link' }).click()
  await page.getByRole('alert').waitFor()
  assert.match(await page.getByRole('alert').innerText(), /administrator|mail/i)
  await browser.close()
})

test('who looks elsewhere is told on their device of what they chose, and comes to it from there', async () => {
  const bob = await world.agent('Bob Builder', 'bob@demo.example')
  const [conversation] = (await world.api('GET', '/conversations?assignee_type=all')).data.payload
  const give = async (assignee_id) => world.api('POST', `/conversations/${conversation.id}/assignments`, { assignee_id })
  const page = await world.page({ email: 'bob@demo.example', password: 'a-long-password-1' })
  // What the browser would show is kept instead; and nobody looks at the page.
  await page.addInitScript(() => {
    window.shown = []
    document.hasFocus = () => window.looksHere ?? false
    window.Notification = class {
      static permission = 'granted'
      static requestPermission = async () => 'granted'
      constructor(title, options) {
        Object.assign(this, { title, ...options })
        window.shown.push(this)
      }
      close() {}
    }
  })
  const shown = () => page.evaluate(() => window.shown.map(({ title, body }) => ({ title, body })))
  await page.goto(world.settings('profile'))
  const box = page.getByLabel('One is assigned to me: on devices')
  assert.equal(await box.isChecked(), true)
  await box.click()
  await eventually('it is kept', async () => !(await box.isChecked()))
  await give(bob.id)
  await page.getByRole('button', { name: 'Notifications 1 unread' }).waitFor()
  assert.deepEqual(await shown(), [])
  await box.click()
  await eventually('it is kept', () => box.isChecked())
  await give(null)
  await give(bob.id)
  const [told] = await eventually('it is shown', async () => (await shown()).length && (await shown()))
  assert.equal(told.title, `A conversation (#${conversation.id}) has been assigned to you`)
  await page.evaluate(() => window.shown[0].onclick())
  await page.waitForURL(`**/conversations/${conversation.id}`)
  // Whoever looks at the page has the bell; whoever looks at the conversation itself has read it.
  await page.goto(world.settings('labels'))
  await page.evaluate(() => (window.looksHere = true))
  await give(null)
  await give(bob.id)
  await page.getByRole('button', { name: /Notifications 1 unread/ }).waitFor()
  assert.deepEqual(await shown(), [])
  assert.deepEqual(page.problems, [])
  await page.context().close()
})
