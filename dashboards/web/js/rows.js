// From a number to its rows: the question in SQL that lists what was counted.

import { sqlHref } from './address.js'
import { iso } from './range.js'

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "''")}'`

/** @typedef {{from?: number, to?: number, class?: string | null, cause?: string | null, tenant?: string | null, key?: string | null, principal?: string | null, deniedBy?: string | null, network?: string | null, agent?: string | null, route?: string | null}} Slice */

/** Conditions of a period. The day comes first: files are kept by day, and other days' are not opened.
 * @param {number} from @param {number} to @param {string} [column] */
export function period(from, to, column = 'event_at') {
  const [first, last] = [iso(from).slice(0, 10), iso(to).slice(0, 10)]
  const days = first === last ? `date = ${quoted(first)}` : `date between ${quoted(first)} and ${quoted(last)}`
  return [days, `${column} >= timestamp ${quoted(iso(from))}`, `${column} < timestamp ${quoted(iso(to))}`]
}

/** @param {Slice} slice @returns {string} */
export function question(slice) {
  const where = slice.from !== undefined && slice.to !== undefined ? period(slice.from, slice.to) : []
  if (slice.cause) where.push(`cause = ${quoted(slice.cause)}`)
  else if (slice.class) where.push(`cause_class = ${quoted(slice.class === 'undecidable' ? 'none' : slice.class)}`)
  else where.push('cause is not null')
  const columns = { tenant: 'tenant_id', key: 'key_id', principal: 'principal_id', deniedBy: 'denied_by', network: 'client_network', agent: 'user_agent', route: 'route' }
  for (const [name, column] of Object.entries(columns)) {
    const value = slice[/** @type {keyof Slice} */ (name)]
    if (value) where.push(`${column} = ${quoted(String(value))}`)
  }
  return `select event_at, request_id, tenant_id, key_id, principal_id, method, route, status, denied_by, cause, confidence, client_network, user_agent\nfrom events\nwhere ${where.join('\n  and ')}\norder by event_at desc\nlimit 500`
}

/** @param {Slice} slice */
export const rowsHref = (slice) => sqlHref(question(slice))
