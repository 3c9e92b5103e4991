// What somebody pasted: which kind of id it looks like, ids picked out of an error or a curl line, and whether it may be
// a key. A key is sent once, in a body, and never reaches the address, the history or the storage.

/** @typedef {{kind: string, id: string, says: string, secret: boolean}} Guess */

const SHAPES = /** @type {[RegExp, string, string][]} */ ([
  [/^[0-9a-f]{16}$/i, 'incident', 'an incident'],
  [/^INC-[\w-]+$/i, 'incident', 'an incident'],
  [/^(req|r|request)[-_][\w.-]+$/i, 'request', 'a request id'],
  [/^[0-9a-f]{32}$/i, 'request', 'a request id'],
  [/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, 'request', 'a request id'],
  [/^(key|k)[-_][\w.-]+$/i, 'key', 'a key id'],
  [/^(user|usr|u|svc|sa|principal)[-_:][\w.@-]+$/i, 'principal', 'a user'],
  [/^[^\s@]+@[^\s@]+$/, 'principal', 'a user'],
  [/^(tenant|org|t)[-_][\w.-]+$/i, 'tenant', 'a tenant'],
])

/** A key's shape: a known prefix with a long tail, or a long run of mixed letters and digits. @param {string} text */
export function looksLikeKey(text) {
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-/i.test(text) || /^[0-9a-f]{16}$|^[0-9a-f]{32}$/i.test(text)) return false
  if (/…|\*{2,}/.test(text)) return false
  if (/^(sk|pk|rk|ak|api|clv|ghp|xox[a-z]|AKIA|eyJ)[-_]?\S{16,}$/i.test(text)) return true
  return text.length >= 24 && /^[\w.+/=~-]+$/.test(text) && /\d/.test(text) && /[a-z]/i.test(text) && !/^(req|request|r|key|user|usr|principal|svc|tenant|org)[-_]/i.test(text)
}

/** Keys first: when in doubt, hide. @param {string} text @returns {Guess | null} */
export function guess(text) {
  const trimmed = text.trim()
  if (trimmed === '') return null
  const words = trimmed.split(/[\s"'`,;<>()[\]{}]+/).map((word) => word.replace(/^[\w-]+=(?=.)/, '').replace(/[.:]$/, '')).filter(Boolean)
  const secret = words.find(looksLikeKey)
  if (secret) return { kind: 'pasted', id: trimmed, says: 'Looks like a key: hashed on arrival, never kept', secret: true }
  for (const word of words) {
    for (const [shape, kind, name] of SHAPES) if (shape.test(word)) return { kind, id: word, says: `Looks like ${name}`, secret: false }
  }
  if (words.length === 1) return { kind: 'auto', id: trimmed, says: 'Any id: Claviger looks everywhere', secret: false }
  return { kind: 'pasted', id: trimmed, says: 'Claviger picks the ids out of this text', secret: false }
}
