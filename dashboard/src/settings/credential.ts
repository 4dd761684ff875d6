// A credential as it is typed, and as it is sent. Whoever holds one lets go of it as soon as it was sent.
export interface CredentialForm {
  kind: 'secret' | 'certificate' | 'later'
  client_secret: string
  /** A day, as the field writes it. */
  expires_on: string
  certificate: string
  private_key: string
}
export const NO_CREDENTIAL: CredentialForm = { kind: 'secret', client_secret: '', expires_on: '', certificate: '', private_key: '' }

/** A day begins with its first second here: better reminded too early. */
export function credentialOf({ kind, client_secret, expires_on, certificate, private_key }: CredentialForm) {
  if (kind === 'later') return undefined
  if (kind === 'certificate') return { certificate, private_key }
  return { client_secret: client_secret.trim(), ...(expires_on ? { expires_at: Math.floor(new Date(`${expires_on}T00:00`).getTime() / 1000) } : {}) }
}
