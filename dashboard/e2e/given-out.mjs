// What a story gives out or is given that no log may hold (S2): passwords, tokens, secrets, private keys and links, noted as they pass, by the names of fields
// and by the shape of addresses, as crates/testkit/src/given_out.rs notes them for the other stories.

/** Nothing shorter is looked for: it may stand in a log by chance. */
const SHORTEST = 12
const NAMES = /(password|password_confirmation|secret|token|private_key|api_key)$/
const BEFORE_A_SECRET = /\/(?:connect|consent|invitation)\/([^/?#]{20,})/
const PARAMETERS = ['state', 'code', 'token', 'reset_password_token', 'nonce']

export class GivenOut {
  secrets = new Set()
  waiting = new Set()

  note(value) {
    if (value.includes('-----BEGIN')) for (const line of value.split('\n')) line.length >= 24 && !line.startsWith('-') && this.secrets.add(line.trim())
    else if (value.length >= SHORTEST) this.secrets.add(value)
  }

  field(name, value) {
    if (NAMES.test(name.toLowerCase().replaceAll('-', '_'))) this.note(value)
    if (value.includes('://')) this.address(value)
  }

  json(value) {
    if (Array.isArray(value)) value.forEach((one) => this.json(one))
    else if (value && typeof value === 'object') for (const [name, one] of Object.entries(value)) typeof one === 'string' ? this.field(name, one) : this.json(one)
  }

  address(text) {
    if (!URL.canParse(text)) return
    const url = new URL(text)
    const link = BEFORE_A_SECRET.exec(url.pathname)
    if (link) this.note(link[1])
    for (const name of PARAMETERS) if ((url.searchParams.get(name) ?? '').length >= 20) this.note(url.searchParams.get(name))
  }

  text(text) {
    try {
      this.json(JSON.parse(text))
    } catch {
      for (const [name, value] of new URLSearchParams(text)) this.field(name, value)
    }
  }

  /** Whatever passes in this browser. */
  watch(browser) {
    browser.on('request', (request) => {
      this.address(request.url())
      if (request.postData()) this.text(request.postData())
    })
    browser.on('response', (response) => {
      const headers = response.headers()
      for (const [name, value] of Object.entries(headers)) name === 'location' ? this.address(value) : this.field(name, value)
      if (!/json/.test(headers['content-type'] ?? '')) return
      // A page that goes away takes its answers with it.
      const read = response.text().then((text) => this.text(text)).catch(() => {}).finally(() => this.waiting.delete(read))
      this.waiting.add(read)
    })
  }

  /** The first of them that stands in this log, with its line; cut, so that the test's own output holds none. */
  async foundIn(log) {
    await Promise.all(this.waiting)
    for (const secret of this.secrets) {
      const at = log.indexOf(secret)
      if (at >= 0) return `${secret.slice(0, 4)}… in: ${log.slice(log.lastIndexOf('\n', at) + 1, at).slice(-300)}`
    }
    return null
  }
}
