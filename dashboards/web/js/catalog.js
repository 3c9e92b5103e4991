// The code's own tables of names: loaded once, asked by every page. The dashboard holds no copy of a label.

import { get } from './api.js'
import { h } from './dom.js'
import { ORDER, token } from './classes.js'

/** @typedef {import('./shapes').Catalog} Catalog */

/** @type {Promise<Catalog> | null} */
let loading = null
/** @type {Catalog | null} */
let loaded = null

/** The catalog and the list of reports, which may be asked for apart. @returns {Promise<Catalog>} */
async function withReports() {
  const found = /** @type {Catalog} */ (await get('/v1/catalog'))
  if (!Array.isArray(found.reports)) {
    const listed = /** @type {any} */ (await get('/v1/reports').catch(() => []))
    found.reports = Array.isArray(listed) ? listed : listed.reports ?? []
  }
  return found
}

/** @returns {Promise<Catalog>} */
export function catalog() {
  loading ??= withReports().then(
    (found) => {
      loaded = found
      document.dispatchEvent(new CustomEvent('catalog'))
      return loaded
    },
    (error) => {
      loading = null
      throw error
    },
  )
  return loading
}

export const known = () => loaded

/** "user_deleted" → "user deleted", until the catalog is here. @param {string} code */
const spelled = (code) => code.replaceAll('_', ' ')

/** @param {string | null | undefined} code */
export const cause = (code) => (code ? loaded?.causes.find((one) => one.code === code)?.label ?? spelled(code) : 'No cause')

/** @param {string | null | undefined} code */
export function causeClass(code) {
  const wanted = code ?? 'none'
  const found = loaded?.classes.find((one) => one.code === wanted || (token(one.code) === token(wanted)))
  if (found) return found.label
  return spelled(token(wanted)).replace(/^./, (first) => first.toUpperCase())
}

/** @param {string | null | undefined} code a cause @returns {string} its class */
export const classOf = (code) => loaded?.causes.find((one) => one.code === code)?.class ?? 'none'

/** @param {string | null | undefined} code */
export const deniedBy = (code) => (code ? loaded?.denied_by.find((one) => one.code === code)?.label ?? spelled(code) : 'Nobody')

/** The colour of a class, beside which its word stands in ink. @param {string | null | undefined} code */
export const swatch = (code) => h('span', { class: `swatch c-${token(code)}`, 'aria-hidden': 'true' })

/** A cause with its class's colour. @param {string | null | undefined} code @param {string | null} [class_] */
export const causeTag = (code, class_) => h('span', { class: 'tag' }, swatch(class_ ?? classOf(code)), cause(code))

/** @param {string | null | undefined} code */
export const classTag = (code) => h('span', { class: 'tag' }, swatch(code), causeClass(code))

/** Sorts anything by class in the order of every legend. @template T @param {T[]} list @param {(one: T) => string} classOfOne */
export const inOrder = (list, classOfOne) => [...list].sort((a, b) => ORDER.indexOf(token(classOfOne(a))) - ORDER.indexOf(token(classOfOne(b))))
