// How instants are written: the clock first, "14 min ago" only as help, the zone always nameable.

import { duration } from './numbers.js'
import { read, write } from './storage.js'

/** @returns {boolean} whether clocks show UTC instead of the browser's zone */
export const inUtc = () => read('zone') === 'utc'

/** @param {boolean} utc */
export function setUtc(utc) {
  write('zone', utc ? 'utc' : 'local')
  document.dispatchEvent(new CustomEvent('zone'))
}

/** @param {string | number | Date | null | undefined} value @returns {Date | null} */
export function instant(value) {
  if (value === null || value === undefined || value === '') return null
  const date = value instanceof Date ? value : new Date(value)
  return Number.isNaN(date.getTime()) ? null : date
}

/** @param {number} number @param {number} [width] */
const pad = (number, width = 2) => String(number).padStart(width, '0')

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** @param {Date} date @param {boolean} utc */
function parts(date, utc) {
  return utc
    ? { year: date.getUTCFullYear(), month: date.getUTCMonth(), day: date.getUTCDate(), weekday: date.getUTCDay(), hour: date.getUTCHours(), minute: date.getUTCMinutes(), second: date.getUTCSeconds() }
    : { year: date.getFullYear(), month: date.getMonth(), day: date.getDate(), weekday: date.getDay(), hour: date.getHours(), minute: date.getMinutes(), second: date.getSeconds() }
}

/** "02:58", "02:58:14", "02:58:14.250".
 * @param {string | number | Date | null | undefined} value @param {{to?: 'minute' | 'second' | 'ms', utc?: boolean}} [options] */
export function clock(value, { to = 'minute', utc = inUtc() } = {}) {
  const date = instant(value)
  if (!date) return '–'
  const at = parts(date, utc)
  const hm = `${pad(at.hour)}:${pad(at.minute)}`
  if (to === 'minute') return hm
  return `${hm}:${pad(at.second)}${to === 'ms' ? `.${pad(date.getUTCMilliseconds(), 3)}` : ''}`
}

/** The clock, with the date before it unless it is today's.
 * @param {string | number | Date | null | undefined} value
 * @param {{to?: 'minute' | 'second' | 'ms', utc?: boolean, now?: number}} [options] */
export function when(value, { to = 'minute', utc = inUtc(), now = Date.now() } = {}) {
  const date = instant(value)
  if (!date) return '–'
  const at = parts(date, utc)
  const today = parts(new Date(now), utc)
  if (at.year === today.year && at.month === today.month && at.day === today.day) return clock(date, { to, utc })
  const year = at.year === today.year ? '' : ` ${at.year}`
  return `${at.day} ${MONTHS[at.month]}${year} ${clock(date, { to, utc })}`
}

/** "2026-11-23 02:58:11", always UTC: for records.
 * @param {string | number | Date | null | undefined} value */
export function record(value) {
  const date = instant(value)
  return date ? date.toISOString().slice(0, 19).replace('T', ' ') : '–'
}

/** @param {string | number | Date | null | undefined} value @param {number} [now] */
export function ago(value, now = Date.now()) {
  const date = instant(value)
  if (!date) return '–'
  const ms = now - date.getTime()
  return ms < 0 ? `in ${duration(-ms)}` : `${duration(ms)} ago`
}

/** "Sun 03:00": the hour of the week that "usual" speaks of.
 * @param {string | number | Date} value */
export function hourOfWeek(value) {
  const date = instant(value)
  if (!date) return '–'
  const at = parts(date, inUtc())
  return `${DAYS[at.weekday]} ${pad(at.hour)}:00`
}

/** "Berlin, UTC+1" or "UTC".
 * @param {Date} [at] */
export function zoneName(at = new Date()) {
  if (inUtc()) return 'UTC'
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? ''
  const minutes = -at.getTimezoneOffset()
  if (minutes === 0 && (zone === 'UTC' || zone === '')) return 'UTC'
  const city = (zone.split('/').pop() ?? '').replaceAll('_', ' ')
  const rest = Math.abs(minutes) % 60
  const offset = `UTC${minutes < 0 ? '−' : '+'}${Math.floor(Math.abs(minutes) / 60)}${rest ? `:${pad(rest)}` : ''}`
  return city ? `${city}, ${offset}` : offset
}
