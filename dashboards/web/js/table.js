// Tables: real ones, with caption, scope and sortable headers; numbers to the right, units in the header; pages of 500
// rows instead of virtual scrolling, so that the browser's own search finds everything on the page.

import { append, capital, fill, h, hostile } from './dom.js'
import { bytes, duration, full } from './numbers.js'
import { record, when } from './times.js'

const PAGE = 500
let count = 0

/** @typedef {{
 *   key: string, label?: string, unit?: string | null, meaning?: string | null,
 *   numeric?: boolean, type?: string,
 *   show?: (value: any, row: any) => import('./dom.js').Child,
 *   order?: (row: any) => number | string | null,
 * }} TableColumn */

/** A column's name as a heading: "principal_id" is the user, "last_at" is when it was last. @param {string} name */
const heading = (name) => capital(WORDS[name] ?? name.replace(/_(id|at)$/, '').replaceAll('_', ' '))
const WORDS = /** @type {Record<string, string>} */ ({ event_at: 'time', ingested_at: 'read', principal_id: 'user', client_network: 'network', user_agent: 'agent', request_id: 'request', denied_by: 'who said no', cause_class: 'class' })

const COUNTED = new Set(['requests', 'events', 'keys', 'users', 'principals', 'tenants', 'networks', 'addresses', 'routes', 'rows', 'findings', 'incidents', 'notices'])

/** @param {string} type */
const isNumber = (type) => /^(u?int|float|double|decimal|long|integer|short|byte|number)/i.test(type)
/** @param {string} type */
const isTime = (type) => /^(timestamp|date|time)/i.test(type)

/** @param {import('./shapes').Column} column @returns {TableColumn} */
export function columnOf(column) {
  const numeric = isNumber(column.type)
  const label = heading(column.name)
  // "Keys keys" and "Failures requests" say nothing: what is counted stands in the name.
  const unit = COUNTED.has(column.unit ?? '') || column.unit === label.toLowerCase() ? null : column.unit
  return { key: column.name, label, unit, meaning: column.meaning, numeric, type: column.type }
}

/** Columns guessed from rows that came without a schema. @param {import('./shapes').Row[]} rows @returns {TableColumn[]} */
export function columnsOf(rows) {
  const names = [...new Set(rows.slice(0, 50).flatMap((row) => Object.keys(row)))]
  return names.map((name) => {
    const values = rows.map((row) => row[name]).filter((value) => value !== null && value !== undefined)
    const numeric = values.length > 0 && values.every((value) => typeof value === 'number' || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)))
    const time = values.length > 0 && values.every((value) => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value))
    return { key: name, label: heading(name), numeric, type: time ? 'timestamp' : numeric ? 'number' : 'text' }
  })
}

/** @param {TableColumn} column @param {any} value @returns {import('./dom.js').Child} */
function cell(column, value) {
  if (value === null || value === undefined) return '–'
  if (isTime(column.type ?? '')) return h('time', { datetime: String(value), title: String(value) }, when(value, { to: 'second' }))
  if (column.numeric) {
    if (column.unit === 'ms') return duration(Number(value))
    if (column.unit === 'bytes') return bytes(value)
    return full(typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value)
  }
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return hostile(value.join(', '))
  return typeof value === 'object' ? hostile(JSON.stringify(value)) : hostile(value)
}

/** @param {TableColumn} column @param {any} row */
function rank(column, row) {
  if (column.order) return column.order(row)
  const value = row[column.key]
  if (value === null || value === undefined) return null
  if (!column.numeric) return String(value)
  // 64-bit integers come as text: exact below 2^53, and above it still in the right order.
  return Number(value)
}

/** @param {any} a @param {any} b @param {boolean} down */
function compare(a, b, down) {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))
  return down ? -order : order
}

/** @param {{
 *   caption: string, columns: TableColumn[], rows: any[],
 *   sort?: string | null, onSort?: (sort: string) => void,
 *   rowHref?: (row: any) => string | null,
 *   showCaption?: boolean,
 * }} of `sort` is a column, with `-` before it for descending
 * @returns {HTMLElement} */
export function table({ caption, columns, rows, sort = null, onSort, rowHref, showCaption = false }) {
  count += 1
  const body = h('tbody')
  const head = h('tr')
  let order = sort
  let shown = PAGE
  const more = h('p', { class: 'more' })

  const sorted = () => {
    const name = order?.replace(/^-/, '')
    const column = columns.find((one) => one.key === name)
    return column ? [...rows].sort((a, b) => compare(rank(column, a), rank(column, b), order?.startsWith('-') ?? false)) : rows
  }

  function draw() {
    fill(head, columns.map((column) => {
      const is = order?.replace(/^-/, '') === column.key
      const direction = is ? (order?.startsWith('-') ? 'descending' : 'ascending') : null
      const label = column.label ?? column.key
      const arrow = is ? h('span', { class: 'arrow', 'aria-hidden': 'true' }, direction === 'descending' ? '▼' : '▲') : null
      const words = [label, column.unit ? h('span', { class: 'unit' }, ` ${column.unit}`) : null]
      // The arrow of a number stands before it, so that header and numbers end on one line.
      const button = h('button', { type: 'button', title: column.meaning, onclick: () => turn(column) }, column.numeric ? [arrow, ' ', words] : [words, ' ', arrow])
      return h('th', { scope: 'col', class: column.numeric ? 'number' : null, 'aria-sort': direction }, button)
    }))
    const list = sorted()
    fill(body, list.slice(0, shown).map((row) => {
      const link = rowHref?.(row)
      return h('tr', null, columns.map((column, index) => {
        const content = column.show ? column.show(row[column.key], row) : cell(column, row[column.key])
        const inner = index === 0 && link ? h('a', { href: link }, content) : content
        return index === 0 ? h('th', { scope: 'row' }, inner) : h('td', { class: column.numeric ? 'number' : null }, inner)
      }))
    }))
    fill(more, shown < list.length
      ? [`${full(shown)} of ${full(list.length)} rows. `, h('button', { type: 'button', class: 'link', onclick: () => { shown += PAGE; draw() } }, 'Show more')]
      : null)
  }

  /** @param {TableColumn} column */
  function turn(column) {
    // Numbers start with the largest, words with the first.
    const down = `-${column.key}`
    order = order === column.key ? down : order === down ? column.key : column.numeric ? down : column.key
    const index = columns.indexOf(column)
    draw()
    head.querySelectorAll('button')[index]?.focus()
    onSort?.(order)
  }

  draw()
  const grid = h('table', null, h('caption', showCaption ? null : { class: 'unseen' }, caption), h('thead', null, head), body)
  const box = h('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': caption }, grid)
  const root = h('div', { class: 'table' })
  append(root, [box, more])
  return root
}

/** Rows of a table answer as objects. @param {import('./shapes').Table} answer */
export const objects = (answer) => answer.rows.map((row) => Object.fromEntries(answer.columns.map((column, index) => [column.name, row[index]])))

/** Key–value rows that can be copied raw. @param {string} label @param {[string, import('./dom.js').Child][]} pairs */
export const facts = (label, pairs) => h('dl', { class: 'facts', 'aria-label': label }, pairs.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))))

/** The record's time, always UTC. @param {string | number} at */
export const recordTime = (at) => h('time', { datetime: String(at) }, record(at))
