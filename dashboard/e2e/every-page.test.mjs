// Every page in both lights and three widths: nothing that axe finds wrong, nothing that scrolls sideways; and what the screen weighs.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { atMicrosoft, goOn, wantsApproval } from './microsoft.mjs'
import { World } from './world.mjs'

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const MOST_SCRIPT_BYTES = 300_000
const world = await World.start()
await world.html('Grace Hopper <grace@navy.example>', 'A table', '<p>Hello</p><table><tr><th>A</th><td>1</td></tr></table><img src="https://elsewhere.example/a.png"><blockquote type="cite">before</blockquote>')

await world.api('POST', '/webhooks', { webhook: { url: 'https://told.invalid/hook', name: 'CRM' } })
await world.api('POST', '/oauth_apps', { name: 'Own', client_id: crypto.randomUUID(), credential: { client_secret: 'no~secret-at-all' } })
await world.api('POST', '/connect_links', { expected_email: 'sales@contoso.example' })
await world.api('POST', '/labels', { title: 'billing', color: '#1466b8' })
await world.api('POST', '/teams', { name: 'money' })
await world.mail({ from: 'ada@customer.example', subject: 'To be told', text: 'Where is it now?' })
/** Attempts to connect that wait: for an administrator's approval, for a handover, and for somebody to be accepted. */
async function waiting() {
  const page = await world.page()
  await page.goto(world.settings('inboxes/new'))
  await page.getByLabel("The mailbox's address").fill('help@fabrikam.example')
  await wantsApproval(await atMicrosoft(page, () => page.getByRole('button', { name: 'Sign in with Microsoft' }).click(), 'help@fabrikam.example'))
  await page.goto(world.settings('inboxes/1'))
  const microsoft = await atMicrosoft(page, () => page.getByRole('button', { name: 'Sign in again' }).click(), 'sales@contoso.example')
  await microsoft.getByRole('button', { name: 'Accept', exact: true }).click()
  await page.getByText('Somebody else signed in than the one who connected this inbox.').waitFor()
  await page.context().close()
  const { url } = await world.api('POST', '/connect_links', { expected_email: 'paula@contoso.example' })
  const owner = await world.somebody()
  await goOn(owner, url, 'paula@contoso.onmicrosoft.example')
  await owner.getByRole('button', { name: 'Accept', exact: true }).click()
  await owner.getByRole('heading', { name: 'Waiting for an administrator' }).waitFor()
  await owner.context().close()
  const of = async (status) => (await world.api('GET', `/connections?status=${status}`)).payload[0].id
  const [approval, handover, acceptance] = await Promise.all(['awaiting_admin_consent', 'awaiting_handover', 'awaiting_acceptance'].map(of))
  return { approval, handover, acceptance }
}
const waits = await waiting()
/** Sending is refused, or is not any more. */
async function day(what) {
  await world.badDay(what)
  await world.api('POST', '/inboxes/1/health/try_again', { part: 'send' })
}
const PAGES = {
  'the list': () => world.path('?tab=all'),
  'a conversation': () => world.path('/1?tab=all'),
  'a mail in HTML': () => world.path('/2?tab=all'),
  'what was said': () => world.path('?q=where&find=messages'),
  'who wrote': () => world.path('?q=ada&find=contacts'),
  'what waits': () => world.path('?tab=all&kind=unattended'),
  'an empty list': () => world.path('?status=snoozed'),
  profile: () => world.settings('profile'),
  'an approval that is waited for': () => world.settings(`inboxes/connections/${waits.approval}`),
  'a handover that is waited for': () => world.settings(`inboxes/connections/${waits.handover}`),
  'somebody who is to be accepted': () => world.settings(`inboxes/connections/${waits.acceptance}`),
  'no such attempt': () => world.settings('inboxes/connections/999999'),
  inboxes: () => world.settings('inboxes'),
  'an inbox': () => world.settings('inboxes/1'),
  'connecting': () => world.settings('inboxes/new'),
  'OAuth apps': () => world.settings('oauth-apps'),
  'a new OAuth app': () => world.settings('oauth-apps/new'),
  'an OAuth app': () => world.settings('oauth-apps/1'),
  'connect links': () => world.settings('connect-links'),
  'the audit log': () => world.settings('audit-log'),
  agents: () => world.settings('agents'),
  teams: () => world.settings('teams'),
  labels: () => world.settings('labels'),
  'canned responses': () => world.settings('canned'),
  webhooks: () => world.settings('webhooks'),
  'a webhook': () => world.settings('webhooks/1'),
  account: () => world.settings('account'),
  deliveries: () => world.settings('deliveries'),
  quarantine: () => world.settings('quarantine'),
  nowhere: () => `${world.base}/app/nowhere`,
}

/** All that is wrong, so that one look is enough. */
async function axe(page, what, wrong) {
  // By the devtools' way in: the page's own policy lets no script of ours be added.
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], iframes: false }))
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} (${failureSummary.split('\n')[1]?.trim()})`).join('; ')}`)
  wrong.push(...told.map((one) => `${what}: ${one}`))
}

async function fits(page, what, wrong) {
  for (const width of [900, 390, 1440]) {
    await page.setViewportSize({ width, height: 900 })
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) wrong.push(`${what} scrolls sideways at ${width}`)
    // A mail's frame is as high as the mail: its last lines are not cut off.
    const isWhole = () => [...document.querySelectorAll('.mail-frame')].every(({ contentDocument, contentWindow }) => contentDocument.documentElement.getBoundingClientRect().height <= contentWindow.innerHeight + 1)
    await page.waitForFunction(isWhole, undefined, { timeout: 10_000 }).catch(() => wrong.push(`${what} is cut off at ${width}`))
  }
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing on any page, ${colorScheme}`, async () => {
    const wrong = []
    const page = await world.page({ colorScheme, path: '?tab=all', reducedMotion: 'reduce' })
    for (const [what, address] of Object.entries(PAGES)) {
      await page.goto(address())
      await page.locator('h1').first().waitFor({ state: 'attached' })
      await page.waitForFunction(() => !document.querySelector('.skeleton'))
      await axe(page, what, wrong)
      await fits(page, what, wrong)
    }
    // What stands there only on a bad day.
    await day('sending_off')
    for (const what of ['the list', 'an inbox', 'inboxes']) {
      await page.goto(PAGES[what]())
      await page.getByText(/blocked/).first().waitFor()
      await axe(page, `${what} on a bad day`, wrong)
      await fits(page, `${what} on a bad day`, wrong)
    }
    await page.goto(PAGES['an inbox']())
    await page.getByRole('radio', { name: 'Microsoft Graph' }).check()
    await page.getByRole('button', { name: 'Change' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByRole('button', { name: 'Diagnose' }).click()
    await page.getByText('Something does not work.').waitFor()
    await axe(page, 'a diagnosis', wrong)
    await fits(page, 'a diagnosis', wrong)
    await page.keyboard.press('Escape')
    await axe(page, 'another way of sending, refused', wrong)
    await day('none')
    await page.goto(PAGES.connecting())
    await page.getByLabel('It is a shared mailbox').check()
    await page.getByRole('radio', { name: 'Use the permission of an inbox' }).check()
    await axe(page, 'connecting a shared mailbox', wrong)
    await fits(page, 'connecting a shared mailbox', wrong)
    await page.goto(PAGES['a conversation']())
    await page.getByText('Where is it?').waitFor()
    for (const [key, name] of [['a', /Assign/], ['s', /Snooze/], ['l', /Labels/], ['f', /Who follows/], ['v', /View/], ['w', /New conversation/], ['Shift+Delete', /Delete this conversation/], ['Control+k', /Commands/], ['?', /Keys/]]) {
      await page.keyboard.press(key)
      await page.getByRole('dialog', { name }).waitFor()
      await axe(page, String(name), wrong)
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
    }
    // Dialogs that a button opens, here and in the settings.
    const OPENED = [
      [PAGES['a conversation'](), 'Merge…', /Merge/],
      [PAGES['a conversation'](), 'Notifications', /Notifications/],
      [PAGES['a conversation'](), 'More', /More/],
      [PAGES.webhooks(), 'New webhook', /New webhook/],
      [PAGES['an OAuth app'](), 'Add a credential', /Add a credential/],
      [PAGES['an OAuth app'](), 'Take away: Client secret no~…', /Take away/],
      [PAGES['an OAuth app'](), 'Delete this app…', /Delete this app/],
      [PAGES['connect links'](), 'New link', /New link/],
      [PAGES['connect links'](), 'Withdraw the link for sales@contoso.example', /Withdraw this link/],
      [PAGES.agents(), 'Invite', /Invite/],
      [PAGES.labels(), 'New label', /New label/],
      [PAGES.teams(), 'New team', /New team/],
      [PAGES['canned responses'](), 'New response', /response/],
      [PAGES['an inbox'](), 'Delete this inbox…', /Delete/],
      [PAGES['a handover that is waited for'](), 'Hand over…', /over\?/],
    ]
    for (const [address, button, name] of OPENED) {
      await page.goto(address)
      await page.getByRole('button', { name: button, exact: true }).click()
      await page.getByRole('dialog', { name }).waitFor()
      await axe(page, String(name), wrong)
      await page.keyboard.press('Escape')
    }
    // What comes when something was done there.
    const DONE = [
      [PAGES['an OAuth app'](), async () => (await page.getByRole('button', { name: 'Verify' }).click(), page.getByText(/^failed/).waitFor())],
      [PAGES['a new OAuth app'](), () => page.getByLabel('A certificate').check()],
      [PAGES['connect links'](), async () => {
        await page.getByRole('button', { name: 'New link' }).click()
        await page.getByText('More', { exact: true }).click()
        await axe(page, 'all of a new link', wrong)
        await page.getByRole('button', { name: 'Make the link' }).click()
        await page.getByRole('button', { name: 'Copy the link' }).waitFor()
      }],
      [PAGES['the audit log'](), () => page.getByText(/from 127\.0\.0\.1/).first().click()],
    ]
    for (const [address, act] of DONE) {
      await page.goto(address)
      await act()
      await axe(page, `${address}, done`, wrong)
      await fits(page, `${address}, done`, wrong)
    }
    await page.goto(PAGES['the list']())
    await page.getByRole('button', { name: 'Choose several' }).click()
    await page.getByRole('checkbox').first().check()
    await axe(page, 'several chosen', wrong)
    await page.keyboard.press('v')
    await page.getByRole('option', { name: 'New view…' }).click()
    await page.getByRole('dialog', { name: 'New view' }).waitFor()
    await axe(page, 'new view', wrong)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: /^You:/ }).click()
    await page.getByRole('dialog', { name: 'You' }).waitFor()
    await axe(page, 'you', wrong)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await axe(page, 'sign in', wrong)
    assert.deepEqual(wrong, [])
    assert.deepEqual(page.problems, [])
    await page.context().close()
  })
}

test('the conversation screen loads at most 300 kB of script', async () => {
  const page = await world.page({ path: '/1?tab=all' })
  await page.goto('about:blank')
  let bytes = 0
  const bodies = []
  page.on('response', (response) => response.request().resourceType() === 'script' && bodies.push(response.body().then((body) => (bytes += body.length))))
  await page.goto(world.path('/1?tab=all'))
  await page.getByText('Where is it?').waitFor()
  await page.getByRole('textbox', { name: 'Reply' }).waitFor()
  await Promise.all(bodies)
  assert.ok(bytes > 100_000 && bytes <= MOST_SCRIPT_BYTES, `${bytes} bytes`)
  console.log(`the conversation screen loads ${bytes} bytes of script`)
  await page.context().close()
})

test('all of the script together, every page and dialog, is at most 300 kB as it is sent', async () => {
  // The page's first file names all others, directly or through those it names.
  const seen = new Map()
  const queue = [...(await (await fetch(`${world.base}/app/`)).text()).matchAll(/assets\/[\w.-]+\.js/g)].map(([path]) => path)
  for (let path = queue.pop(); path; path = queue.pop()) {
    if (seen.has(path)) continue
    const ask = (encoding) => fetch(`${world.base}/app/${path}`, { headers: { 'accept-encoding': encoding } })
    const plain = await (await ask('identity')).text()
    const sent = await ask('br')
    seen.set(path, Number(sent.headers.get('content-length')))
    for (const [, name] of plain.matchAll(/["'`](?:\.\/|assets\/)([\w.-]+\.js)["'`]/g)) queue.push(`assets/${name}`)
  }
  const bytes = [...seen.values()].reduce((sum, one) => sum + one, 0)
  console.log(`all of the script is ${bytes} bytes in ${seen.size} files as it is sent`)
  assert.ok(seen.size > 20 && bytes > 50_000 && bytes <= MOST_SCRIPT_BYTES, `${bytes} bytes in ${seen.size} files`)
})
