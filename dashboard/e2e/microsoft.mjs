// What a person does at the sandbox's Microsoft: in the tab that a click opens, and as somebody in Microsoft's admin centre.
import assert from 'node:assert/strict'
import { PATIENCE } from './world.mjs'

/** That tab, with somebody chosen if they are named. */
export async function atMicrosoft(page, click, who) {
  const opening = page.context().waitForEvent('page')
  await click()
  const microsoft = await opening
  microsoft.setDefaultTimeout(PATIENCE)
  if (who) await microsoft.locator('button.account').filter({ hasText: who }).click()
  return microsoft
}

/** With a connect link, in a browser that nobody here has signed in with. */
export async function goOn(page, link, who) {
  await page.goto(link)
  await page.getByRole('button', { name: 'Go on to Microsoft' }).click()
  await page.locator('button.account').filter({ hasText: who }).click()
}

/** To the end of a sign-in, asked for consent or not. */
export async function accepted(microsoft, end) {
  const accept = microsoft.getByRole('button', { name: 'Accept', exact: true })
  const done = microsoft.getByRole('heading', { name: end })
  await accept.or(done).waitFor()
  if (await accept.isVisible()) await accept.click()
  await done.waitFor()
  await microsoft.close()
}

/** Says that the organisation wants an administrator, which Microsoft's own page tells nobody. */
export async function wantsApproval(microsoft) {
  await microsoft.getByRole('heading', { name: 'Need admin approval' }).waitFor()
  await microsoft.getByRole('button', { name: /^Return to the application/ }).click()
  await microsoft.getByRole('button', { name: "My organisation wants an administrator's approval" }).click()
  await microsoft.getByRole('heading', { name: /approval/ }).waitFor()
  await microsoft.close()
}

/** In the admin centre: `''` registers another app, `expire` and `secret` are about one. */
export async function registration(world, what = '', id = '') {
  const response = await fetch(new URL(`app-registrations${what && `/${what}?client_id=${id}`}`, world.sandbox), { method: 'POST', redirect: 'manual' })
  assert.equal(response.status, 303)
  const html = await (await fetch(new URL('app-registrations', world.sandbox))).text()
  const apps = html.split('class="client-id">').slice(1).map((text) => ({ id: text.slice(0, 36), secrets: [...text.matchAll(/class="secret">([^<]+)</g)].map(([, secret]) => secret) }))
  return id ? apps.find((app) => app.id === id) : apps.at(-1)
}
