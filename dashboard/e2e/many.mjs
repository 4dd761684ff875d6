// What the list costs with 100,000 conversations: `node e2e/many.mjs`, with python3 for its SQLite. Figures, and no story: see docs/PERFORMANCE.md.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile } from 'node:fs/promises'
import { createServer, request as ask } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { chromium } from 'playwright-core'
import { eventually, freePort, World } from './world.mjs'

const MANY = Number(process.env.POSTROOM_MANY ?? 100_000)
const TIMES = 5
const ROWS = 2000
const SEEDS = 100

// Every conversation with a mail that came in is copied with its messages, open, each a second older than the one before it; a third is the
// administrator's, the others nobody's. Of what happened nothing is copied: nobody was told.
const COPY = `
import sqlite3, sys
path, many, seeds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
stride = 10_000_000
db = sqlite3.connect(path)
me, = db.execute("SELECT id FROM users WHERE email = 'admin@demo.example'").fetchone()
def copied(table, changes, which):
    names = [row[1] for row in db.execute(f'PRAGMA table_info({table})')]
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(changes.get(name, name) for name in names)} FROM {table} WHERE {which}"
with db:
    db.execute("UPDATE conversations SET status = 'open'")
    for copy in range(1, many // seeds):
        shift = copy * stride
        ids = {name: f'{name} + {shift}' for name in ('id', 'conversation_id', 'last_message_id', 'last_non_activity_message_id')}
        db.execute(copied('conversations', ids | {
            'display_id': f'display_id + {copy * 1000}', 'uuid': f"uuid || '-{copy}'", 'last_activity_at': f'last_activity_at - (display_id + {copy * seeds}) * 1000000',
            'assignee_id': f'CASE WHEN (id + {copy}) % 3 = 0 THEN {me} END', 'unread_count': f'(id + {copy}) % 5 = 0'}, f"id < {stride} AND subject LIKE 'Number %'"))
        db.execute(copied('messages', ids, f"conversation_id IN (SELECT id FROM conversations WHERE id < {stride} AND subject LIKE 'Number %') AND id < {stride}"))
    db.execute('UPDATE account_counters SET next_display_id = (SELECT max(display_id) + 1 FROM conversations)')
db.execute('ANALYZE')
print(db.execute('SELECT count(*) FROM conversations').fetchone()[0], db.execute('SELECT count(*) FROM messages').fetchone()[0])
`

/** The page that `vite build` has written, as the program serves its own, in front of the program. */
async function inFront(world, folder) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, world.base)
    if (pathname.startsWith('/app') && !pathname.startsWith('/app/mail-frame')) {
      const file = extname(pathname) ? pathname.slice('/app/'.length) : 'index.html'
      const packed = await readFile(join(folder, `${file}.br`)).catch(() => null)
      const body = packed ?? (await readFile(join(folder, file)).catch(() => null))
      const kind = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' }[extname(file)]
      response.writeHead(body ? 200 : 404, { 'content-type': kind, 'cache-control': file === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable', ...(packed ? { 'content-encoding': 'br' } : {}) })
      return response.end(body)
    }
    const headers = { ...request.headers, host: `127.0.0.1:${world.port}`, ...(request.headers.origin ? { origin: `http://127.0.0.1:${world.port}` } : {}) }
    const asked = ask({ port: world.port, host: '127.0.0.1', method: request.method, path: request.url, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers)
      answer.pipe(response)
    })
    asked.on('error', () => response.destroy())
    response.on('close', () => asked.destroy())
    request.pipe(asked)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  world.base = `http://127.0.0.1:${server.address().port}`
  return server
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const shown = (values) => `${median(values)} (${values.join(', ')})`
/** CPU seconds of the program so far. */
const cpu = async (pid) => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks) / 100, 0)

const world = new World()
world.folder = await mkdtemp(join(tmpdir(), 'postroom-many-'))
let front
try {
  world.port = await freePort()
  world.base = `http://127.0.0.1:${world.port}`
  await world.run()
  for (let n = 1; n <= SEEDS; n++) await world.mail({ from: `person${n}@crowd.example`, subject: `Number ${n}: a subject as people write them`, text: `Hello, this is mail number ${n}. `.repeat(1 + (n % 9)) })
  await eventually('all mails are there', async () => (await world.api('GET', '/conversations/meta?status=open')).meta.all_count > SEEDS)
  await world.stop()
  const python = (code, ...rest) => execFileSync('python3', ['-c', code, ...rest.map(String)], { encoding: 'utf8' }).trim()
  console.log('conversations and messages:', python(COPY, join(world.folder, 'data', 'postroom.sqlite3'), MANY, SEEDS))
  await world.run()
  // What was copied is indexed for the search meanwhile; it is over when the program rests.
  for (let used = await cpu(world.process.pid), rested = 0; rested < 3;) {
    await new Promise((resolve) => setTimeout(resolve, 3000))
    const now = await cpu(world.process.pid)
    rested = now - used < 0.15 ? rested + 1 : 0
    used = now
  }
  for (const what of ['/conversations?status=open&assignee_type=all&page=1', '/conversations?status=open&assignee_type=all&page=80', '/conversations?status=open&assignee_type=me&page=1', '/conversations/meta?status=open', '/notifications/unread_count', '/labels', '/custom_filters?filter_type=conversation']) {
    const times = []
    for (let n = 0; n < 20; n++) {
      const began = performance.now()
      await world.api('GET', what)
      times.push(Math.round(10 * (performance.now() - began)) / 10)
    }
    const answer = await fetch(`${world.base}/api/v1/accounts/${world.account}${what}`, { headers: { api_access_token: world.token, 'accept-encoding': 'br, gzip' } })
    console.log(`the server alone, ${what}: ${median(times)} ms of 20, ${(await answer.text()).length} characters, content-encoding ${answer.headers.get('content-encoding')}`)
  }
  if (process.env.POSTROOM_PAGE) front = await inFront(world, process.env.POSTROOM_PAGE)
  world.browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
  const first = await world.page({ path: '?tab=all' })
  const state = await first.context().storageState()
  await first.context().close()

  const loads = { cold: [], warm: [] }
  const grown = []
  const figures = { before: [], after: [], rows: [], elements: [], elementsBefore: [], longest: [], took: [] }
  for (let time = 0; time < TIMES; time++) {
    const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 }, storageState: state })
    const page = await context.newPage()
    page.setDefaultTimeout(120_000)
    await page.addInitScript(() => {
      const look = () => (document.querySelector('.conv') ? requestAnimationFrame(() => setTimeout(() => (globalThis.firstRow = performance.now()))) : requestAnimationFrame(look))
      requestAnimationFrame(look)
      globalThis.longest = 0
      new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => (globalThis.longest = Math.max(globalThis.longest, duration)))).observe({ type: 'longtask', buffered: true })
    })
    for (const how of ['cold', 'warm']) {
      const requests = []
      const calls = () => requests.filter((path) => path.startsWith('/api/')).length
      page.on('request', (request) => requests.push(new URL(request.url()).pathname))
      await page.goto(world.path('?tab=all'))
      await page.waitForFunction(() => globalThis.firstRow)
      const until = calls()
      const ms = Math.round(await page.evaluate(() => globalThis.firstRow))
      const list = await page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/conversations?')).map(({ startTime, responseEnd }) => [Math.round(startTime), Math.round(responseEnd)])[0])
      const wire = await page.evaluate(() => performance.getEntriesByType('resource').reduce((sum, { transferSize }) => sum + transferSize, 0))
      await page.waitForTimeout(1500)
      loads[how].push({ ms, until, all: calls(), files: requests.length - calls(), list, wire })
      page.removeAllListeners('request')
      if (how === 'cold') await page.goto('about:blank')
    }
    const devtools = await context.newCDPSession(page)
    const heap = async () => {
      await devtools.send('HeapProfiler.collectGarbage')
      return (await devtools.send('Runtime.getHeapUsage')).usedSize
    }
    const elements = () => page.evaluate(() => document.querySelectorAll('*').length)
    figures.before.push(Math.round((await heap()) / 1e5) / 10)
    figures.elementsBefore.push(await elements())
    await page.evaluate(() => (globalThis.longest = 0))
    const began = Date.now()
    const scrolled = (rows) => page.evaluate(async (rows) => {
      const box = document.querySelector('.list-scroll')
      const seen = (globalThis.seen ??= new Set())
      for (;;) {
        for (const row of document.querySelectorAll('.list-rows > li[data-id]')) seen.add(row.dataset.id)
        if (seen.size >= rows) return seen.size
        box.scrollBy(0, 600)
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))
      }
    }, rows)
    const seen = await scrolled(ROWS)
    figures.took.push(Date.now() - began)
    figures.rows.push(seen)
    figures.longest.push(Math.round(await page.evaluate(() => globalThis.longest)))
    await page.waitForTimeout(1000)
    figures.elements.push(await elements())
    figures.after.push(Math.round((await heap()) / 1e5) / 10)
    // Once much further: what grows without bound shows.
    if (time === TIMES - 1) {
      for (const rows of [4000, 6000, 8000, 10_000].filter((rows) => rows < MANY)) {
        await scrolled(rows)
        grown.push(`${rows}: ${Math.round((await heap()) / 1e5) / 10} MB, ${await elements()} elements`)
      }
    }
    await context.close()
  }
  for (const how of ['cold', 'warm']) {
    const of = (pick) => shown(loads[how].map(pick))
    console.log(`${how}: first row after ${of((one) => one.ms)} ms; files ${of((one) => one.files)}, calls until then ${of((one) => one.until)}, in all ${of((one) => one.all)}; list asked at ${of((one) => one.list[0])}, answered at ${of((one) => one.list[1])} ms; bytes on the wire ${of((one) => one.wire)}`)
  }
  console.log(`scrolled ${ROWS} rows in ${shown(figures.took)} ms, longest task ${shown(figures.longest)} ms`)
  console.log(`heap before ${shown(figures.before)} MB, after ${shown(figures.after)} MB; elements before ${shown(figures.elementsBefore)}, after ${shown(figures.elements)}`)
  console.log(`further, after ${grown.join('; ')}`)
} finally {
  front?.close()
  front?.closeAllConnections()
  await world.end()
}
