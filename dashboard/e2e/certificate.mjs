// A certificate with its key, as `openssl req -x509` makes them, without needing openssl.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

const der = (tag, ...parts) => {
  const body = Buffer.concat(parts)
  const size = body.length.toString(16).padStart(body.length < 256 ? 2 : 4, '0')
  return Buffer.concat([Buffer.from([tag]), Buffer.from(body.length < 128 ? size : (0x80 + size.length / 2).toString(16) + size, 'hex'), body])
}
const sequence = (...parts) => der(0x30, ...parts)
const time = (date) => der(0x17, Buffer.from(date.toISOString().replace(/^..|[-:T]|\..*/g, '') + 'Z'))
const SHA256_RSA = sequence(der(0x06, Buffer.from('2a864886f70d01010b', 'hex')), der(0x05))
const COMMON_NAME = der(0x06, Buffer.from('550403', 'hex'))
const DAY = 86_400_000

/** Both in PEM; `ends`: after so many days. */
export function certificate({ name = 'postroom story', ends = 365 } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const called = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))))
  const validity = sequence(time(new Date(Date.now() - DAY)), time(new Date(Date.now() + ends * DAY)))
  const serial = der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)]))
  const signed = sequence(serial, SHA256_RSA, called, validity, called, publicKey.export({ type: 'spki', format: 'der' }))
  const whole = sequence(signed, SHA256_RSA, der(0x03, Buffer.from([0]), sign('sha256', signed, privateKey)))
  const lines = whole.toString('base64').match(/.{1,64}/g).join('\n')
  return { certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}
