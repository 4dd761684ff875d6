// Somebody without an account here connects a mailbox with a link, and whoever made it sees how far they have come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, World } from './world.mjs'

const world = await World.start()
const links = world.settings('connect-links')
const row = (page, whose) => page.getByRole('list', { name: 'Connect links' }).getByRole('listitem').filter({ hasText: whose })
const newest = async () => (await world.api('GET', '/connect_links')).payload[0]

/** A link from the page's dialog; its address, which is shown once. */
async function make(page, fill) {
  await page.getByRole('button', { name: 'New link' }).click()
  const dialog = page.getByRole('dialog', { name: 'New link' })
  await fill(dialog)
  await dialog.getByRole('button', { name: 'Make the link' }).click()
  await dialog.waitFor({ state: 'detached' })
  const link = await page.getByText(/\/connect\/[\w-]+$/).innerText()
  // It is shown once: what copies it is at hand.
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Copy the link')
  return link
}
/** Somebody outside, in a browser that nobody here has signed in with. */
async function somebody() {
  const browser = await world.browser.newContext()
  return world.watched(browser)
}
async function goOn(page, link, who) {
  await page.goto(link)
  await page.getByRole('button', { name: 'Go on to Microsoft' }).click()
  await page.locator('button.account').filter({ hasText: who }).click()
}

test('somebody without an account connects the mailbox that the link is for, and somebody else cannot', async () => {
  const page = await world.page()
  await page.goto(links)
  await page.getByRole('heading', { name: 'There are no links' }).waitFor()
  const link = await make(page, async (dialog) => {
    await dialog.getByLabel('Who signs in').fill('sales@contoso.example')
    // What is folded away is unfolded where it is refused, and nothing is lost.
    await dialog.getByText('More', { exact: true }).click()
    await dialog.getByLabel('Where they go at the end').fill('https://elsewhere.example/')
    await dialog.getByText('More', { exact: true }).click()
    await dialog.getByRole('button', { name: 'Make the link' }).click()
    await dialog.getByRole('alert').getByText(/not below an address that this installation permits/).waitFor()
    assert.equal(await dialog.getByLabel('Who signs in').inputValue(), 'sales@contoso.example')
    await dialog.getByLabel('Where they go at the end').fill('')
    await dialog.getByLabel('Good for').selectOption('A week')
  })
  await page.getByText('Send this link to sales@contoso.example.').waitFor()
  const letter = decodeURIComponent(await page.getByRole('link', { name: 'Write to them' }).getAttribute('href'))
  assert.ok(letter.startsWith('mailto:sales@contoso.example?') && letter.includes(link))
  await row(page, 'sales@contoso.example').getByText('not opened yet').waitFor()
  await row(page, 'sales@contoso.example').getByText(/good for 7 days/).waitFor()

  const stranger = await somebody()
  await stranger.goto(link)
  await row(page, 'sales@contoso.example').getByText('opened', { exact: true }).waitFor()
  await goOn(stranger, link, 'admin@contoso.example')
  await row(page, 'sales@contoso.example').getByText('signing in').waitFor()
  await stranger.getByRole('button', { name: 'Accept', exact: true }).click()
  await stranger.getByText('Another Microsoft account signed in than the one this link was made for.').waitFor()
  const told = row(page, 'sales@contoso.example')
  await told.getByText('did not work').waitFor()
  await told.getByText(/^Another Microsoft account signed in/).waitFor()
  await told.getByText(/^Open the link again and sign in with the account that its page names/).waitFor()
  await told.getByText('The same link can be used again.').waitFor()
  await stranger.context().close()

  const owner = await somebody()
  await goOn(owner, link, 'sales@contoso.example')
  await owner.getByRole('button', { name: 'Accept', exact: true }).click()
  await owner.getByRole('heading', { name: 'Connected' }).waitFor()
  await told.getByText('connected', { exact: true }).waitFor()
  // It has done its work: its address is shown no more, nor anything to withdraw.
  await page.getByText('Send this link to').waitFor({ state: 'detached' })
  assert.equal(await told.getByRole('button').count(), 0)
  await told.getByRole('link').click()
  await page.getByText('Reading works').waitFor()
  await page.getByText('sales@contoso.example').first().waitFor()
  assert.equal((await newest()).status, 'connected')
  assert.deepEqual(page.problems, [])
  await owner.context().close()
  await page.context().close()
})

test('a link that waits for an administrator\'s approval says so, with the address for them', async () => {
  const page = await world.page()
  await page.goto(links)
  const link = await make(page, (dialog) => dialog.getByLabel('Who signs in').fill('help@fabrikam.example'))
  const owner = await somebody()
  await goOn(owner, link, 'help@fabrikam.example')
  await owner.getByRole('button', { name: /Return to the application/ }).click()
  await owner.getByRole('button', { name: /organisation wants an administrator/ }).click()
  const told = row(page, 'help@fabrikam.example')
  await told.getByText('waits for approval').waitFor()
  await told.getByText(/^The consent link, for an administrator of their organisation/).waitFor()
  const address = await told.getByText(/\/adminconsent\?/).innerText()
  const administrator = await somebody()
  await administrator.goto(address)
  await administrator.locator('button.account').filter({ hasText: 'admin@fabrikam.example' }).click()
  await administrator.getByRole('button', { name: 'Accept', exact: true }).click()
  await administrator.waitForURL(`${world.base}/**`)
  await goOn(owner, link, 'help@fabrikam.example')
  await owner.getByRole('heading', { name: 'Connected' }).waitFor()
  await told.getByText('connected', { exact: true }).waitFor()
  assert.deepEqual(page.problems, [])
  for (const one of [owner, administrator, page]) await one.context().close()
})

test('a link that is withdrawn says so to whoever opens it, and names what it was for in the list', async () => {
  const app = await world.api('POST', '/oauth_apps', { name: 'Contoso Care', client_id: crypto.randomUUID(), credential: { client_secret: 'no~secret-at-all' } })
  const page = await world.page()
  await page.goto(links)
  const link = await make(page, async (dialog) => {
    await dialog.getByLabel('It is a shared mailbox').check()
    await dialog.getByLabel('Address of the shared mailbox').fill('info@contoso.example')
    await dialog.getByText('More', { exact: true }).click()
    await dialog.getByLabel('Sign in through').selectOption('Contoso Care')
    await dialog.getByLabel('The mailbox sends by').selectOption('Microsoft Graph')
  })
  const made = await newest()
  assert.deepEqual([made.mailbox, made.oauth_app_id, made.send_transport, made.expected_email], ['info@contoso.example', app.id, 'graph', null])
  const told = row(page, 'info@contoso.example')
  await told.getByText(/through Contoso Care · sends by Microsoft Graph/).waitFor()
  await told.getByRole('button', { name: 'Withdraw the link for info@contoso.example' }).click()
  await page.getByRole('dialog', { name: 'Withdraw this link?' }).getByRole('button', { name: 'Withdraw' }).click()
  await told.getByText('withdrawn', { exact: true }).waitFor()
  await page.waitForFunction(() => document.activeElement?.textContent === 'New link')
  await page.getByText('Send this link to').waitFor({ state: 'detached' })
  const owner = await somebody()
  await owner.goto(link)
  await owner.getByText(/This link cannot be used any more: .*withdrawn/).waitFor()
  assert.equal(await owner.getByRole('button').count(), 0)
  // A link for an inbox that is there, through the installation's app whatever the account's own is.
  await make(page, async (dialog) => {
    await dialog.getByLabel('It is a shared mailbox').check()
    await dialog.getByLabel('Address of the shared mailbox').fill('info@contoso.example')
    await dialog.getByLabel('What for').selectOption({ index: 1 })
    await dialog.getByText('More', { exact: true }).click()
    // What only an inbox that is there can do is forgotten with it.
    await dialog.getByLabel('The mailbox sends by').selectOption('SMTP')
    await dialog.getByLabel('What for').selectOption('A new inbox')
    assert.equal(await dialog.getByLabel('The mailbox sends by').inputValue(), '')
    assert.equal(await dialog.getByLabel('The mailbox sends by').evaluate((field) => field.selectedOptions[0]?.textContent), 'SMTP, as usual')
    await dialog.getByLabel('What for').selectOption({ index: 1 })
    await dialog.getByLabel('Sign in through').selectOption('The app of this installation')
  })
  await row(page, /signs in .* again/).getByText('not opened yet').waitFor()
  const again = await newest()
  assert.deepEqual([again.oauth_app_id, typeof again.inbox_id, again.mailbox], [null, 'number', null])
  // Only until it is copied, and only here.
  await page.getByRole('button', { name: 'I have copied it' }).click()
  await page.waitForFunction(() => document.activeElement?.textContent === 'New link')
  await page.reload()
  await row(page, /signs in .* again/).waitFor()
  assert.equal(await page.getByText(/\/connect\//).count(), 0)
  await eventually('the app is free again', async () => (await fetch(`${world.base}/api/v1/accounts/${world.account}/oauth_apps/${app.id}`, { method: 'DELETE', headers: { api_access_token: world.token } })).ok)
  assert.deepEqual(page.problems, [])
  for (const one of [owner, page]) await one.context().close()
})
