// The address is the state. Reading it, writing it, and telling whoever shows it.

/** @typedef {import('./shapes').Range} Range */

export const path = () => decodeURI(location.pathname)
export const params = () => new URLSearchParams(location.search)
/** @param {string} name */
export const param = (name) => params().get(name)

/** The parts of the path, decoded. */
export const parts = () => location.pathname.split('/').filter(Boolean).map((part) => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
})

/** @param {string} otherwise the range that the page has by default @returns {Range} */
export function range(otherwise = '-1h') {
  const found = params()
  return { from: found.get('from') ?? otherwise, to: found.get('to') }
}

/** @typedef {Record<string, string | number | null | undefined>} Values */

/** A path of ours with a query. Empty values are left out.
 * @param {string} to @param {Values} [values] */
export function href(to, values = {}) {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value))
  }
  const text = query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',')
  return text ? `${to}?${text}` : to
}

/** @param {string} kind @param {string} name @param {Values} [values] */
export const entityHref = (kind, name, values) => href(`/entity/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`, values)
/** @param {string} kind @param {string} name @param {Values} [values] */
export const diagnoseHref = (kind, name, values) => href(`/diagnose/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`, values)
/** @param {string} name */
export const incidentHref = (name) => `/incidents/${encodeURIComponent(name)}`

/** Opens a path of ours; Back returns. `quiet` tells nobody: for a page that tidies its own address.
 * @param {string} to @param {{replace?: boolean, quiet?: boolean}} [how] */
export function go(to, { replace = false, quiet = false } = {}) {
  if (to === location.pathname + location.search + location.hash) return
  history[replace ? 'replaceState' : 'pushState'](null, '', to)
  if (!quiet) document.dispatchEvent(new CustomEvent('address'))
}

/** Changes some values of the query on the page that is shown. Null removes.
 * @param {Values} values @param {{replace?: boolean, quiet?: boolean}} [how] */
export function patch(values, how) {
  const now = Object.fromEntries(params())
  go(href(location.pathname, { ...now, ...values }) + location.hash, how)
}

/** @param {string} text */
export function toFragment(text) {
  const bytes = new TextEncoder().encode(text)
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** @param {string} text @returns {string | null} */
export function fromFragment(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0))
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

/** The SQL page with a question in it. The fragment reaches no server and no log. @param {string} sql */
export const sqlHref = (sql) => `/sql#q=${toFragment(sql)}`
