// What every browser story stands on: the built program playing the demo, with the sandbox as Microsoft and as the customer, and Chromium.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { after } from 'node:test'
import { chromium } from 'playwright-core'
import { GivenOut } from './given-out.mjs'

const BINARY = process.env.POSTROOM_BINARY ?? '../target/debug/postroom'
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
/** A folder that `vite build` has written: shown instead of the page inside the program, so that a change of it is tried without building the program anew. */
const PAGE = process.env.POSTROOM_PAGE
const KINDS = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }
/** Generous, because machines are busy: what waits this long has failed. */
export const PATIENCE = Number(process.env.POSTROOM_PATIENCE ?? 60_000)

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** A running demo: account, administrator, one connected mailbox, and one conversation with Ada. */
export class World {
  log = ''
  givenOut = new GivenOut()

  static async start() {
    const world = new World()
    world.folder = await mkdtemp(join(tmpdir(), 'postroom-page-'))
    world.port = await freePort()
    world.base = `http://127.0.0.1:${world.port}`
    after(() => world.end())
    await world.run()
    world.browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
    return world
  }

  async run() {
    const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(POSTROOM|DATABASE|REDIS|AZURE|FRONTEND|MICROSOFT)/.test(name)))
    this.process = spawn(BINARY, ['demo', '--data', join(this.folder, 'data'), '--port', String(this.port)], { cwd: this.folder, env: { ...environment, RUST_LOG: 'debug' }, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const ready = new Promise((resolve, reject) => {
      const heard = (chunk) => {
        said += chunk
        if (said.includes('Stop it with Ctrl-C.')) resolve()
      }
      this.process.stdout.on('data', heard)
      this.process.stderr.on('data', heard)
      this.process.stderr.on('data', (chunk) => (this.log += chunk))
      this.process.once('exit', (code) => reject(new Error(`the demo ended (${code}):\n${said}`)))
      this.process.once('error', reject)
    })
    await ready
    const told = (name) => new RegExp(`^  ${name}\\s+(\\S+)`, 'm').exec(said)?.[1]
    // A second start makes an account of its own beside the first, with which the story goes on.
    this.sandbox = told('sandbox')
    this.token ??= told('API token')
    this.account ??= Number(told('account'))
    Object.assign(this, { admin: told('administrator'), password: told('password') })
  }

  async stop() {
    if (!this.process || this.process.exitCode !== null) return
    const ended = once(this.process, 'exit')
    this.process.kill('SIGTERM')
    await ended
  }

  async end() {
    await this.browser?.close()
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
    for (const secret of [this.password, this.token].filter(Boolean)) this.givenOut.note(secret)
    const found = await this.givenOut.foundIn(this.log)
    if (found) throw new Error(`a secret that was given out stands in the log: ${found}`)
  }

  path(rest = '') {
    return `${this.base}/app/accounts/${this.account}/conversations${rest}`
  }

  settings(rest) {
    return `${this.base}/app/accounts/${this.account}/settings/${rest}`
  }

  async api(method, path, body) {
    const response = await fetch(`${this.base}/api/v1/accounts/${this.account}${path}`, { method, headers: { api_access_token: this.token, 'content-type': 'application/json' }, body: body && JSON.stringify(body) })
    const text = await response.text()
    if (body) this.givenOut.json(body)
    this.givenOut.text(text)
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text && JSON.parse(text)
  }

  /** A mail from a customer, as the sandbox's form writes it, or with `source` as any program would. */
  async mail(fields) {
    const form = new FormData()
    for (const [name, value] of Object.entries({ from: 'ada@customer.example', to: 'support@contoso.example', subject: '', text: '', ...fields })) form.set(name, value)
    const response = await fetch(new URL('send', this.sandbox), { method: 'POST', body: form, redirect: 'manual' })
    if (response.status !== 303) throw new Error(`the sandbox did not take the mail: ${response.status}`)
  }

  html(from, subject, html) {
    const address = /<(.*)>/.exec(from)[1]
    return this.mail({ from: address, source: `From: ${from}\nTo: support@contoso.example\nSubject: ${subject}\nDate: ${new Date().toUTCString()}\nMessage-ID: <${crypto.randomUUID()}@story.example>\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n${html}\n` })
  }

  /** What somebody outside has received, newest last: the text of the sandbox's page about their mailbox. */
  async received(who) {
    return (await fetch(new URL(`inbox?who=${encodeURIComponent(who)}`, this.sandbox))).text()
  }

  /** Something goes wrong at Microsoft, as crates/sandbox/src/customer_page/bad_days.rs names it; `none` ends it all. */
  async badDay(what) {
    const response = await fetch(new URL(`bad-day?what=${what}`, this.sandbox), { method: 'POST', redirect: 'manual' })
    if (response.status !== 302) throw new Error(`the sandbox knows no such day: ${what}`)
  }

  async agent(name, email) {
    const agent = await this.api('POST', '/agents', { name, email, role: 'agent', password: 'a-long-password-1' })
    const inboxes = await this.api('GET', '/inboxes')
    await this.api('POST', '/inbox_members', { inbox_id: inboxes.payload[0].id, user_ids: [agent.id] })
    return agent
  }

  /** A page in a browser's context; what it complains about is kept. */
  async watched(browser) {
    if (PAGE) {
      const page = await fetch(`${this.base}/app/`)
      const policy = page.headers.get('content-security-policy') ?? ''
      await browser.route((url) => url.pathname.startsWith('/app/') && !url.pathname.startsWith('/app/mail-frame'), async (route) => {
        const { pathname } = new URL(route.request().url())
        const file = extname(pathname) ? pathname.slice('/app/'.length) : 'index.html'
        const body = await readFile(join(PAGE, file)).catch(() => null)
        if (!body || this.process.exitCode !== null) return route.abort()
        await route.fulfill({ body, contentType: KINDS[extname(file)] ?? 'application/octet-stream', headers: file === 'index.html' ? { 'content-security-policy': policy } : {} })
      })
    }
    this.givenOut.watch(browser)
    const page = await browser.newPage()
    page.setDefaultTimeout(PATIENCE)
    page.problems = []
    page.on('pageerror', (error) => page.problems.push(String(error)))
    page.on('console', (message) => {
      // A policy that refuses something says so here; that a server is away is told by the network.
      if (message.type() === 'error' && !/Failed to load resource|net::ERR/.test(message.text())) page.problems.push(message.text())
    })
    return page
  }

  /** Somebody outside, in a browser that nobody here has signed in with. */
  async somebody() {
    return this.watched(await this.browser.newContext())
  }

  /** A browser of its own, as somebody; what the page complains about fails the story. */
  async page({ email = this.admin, password = this.password, path = '', ...context } = {}) {
    const browser = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, ...context })
    const page = await this.watched(browser)
    await page.goto(`${this.base}/app/accounts/${this.account}/conversations${path}`)
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('searchbox').waitFor()
    return page
  }
}

/** Waits until something asynchronous holds. */
export async function eventually(what, holds) {
  const until = Date.now() + PATIENCE
  for (;;) {
    const found = await holds()
    if (found) return found
    if (Date.now() > until) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
