// How numbers are written: grouped in tables, three digits in sentences and on axes, never rounded across a limit.

const THIN = '\u202f'
const MISSING = '–'

/** Grouped by narrow no-break spaces; takes 64-bit integers as text without losing a digit.
 * @param {unknown} value */
export function full(value) {
  if (value === null || value === undefined || value === '') return MISSING
  const text = String(value)
  const parts = /^(-?)(\d+)(\.\d+)?$/.exec(text)
  if (!parts) return text
  return parts[1].replace('-', '−') + parts[2].replace(/\B(?=(\d{3})+$)/g, THIN) + (parts[3] ?? '')
}

/** Three digits with k, M, G.
 * @param {number | string | null | undefined} value */
export function short(value) {
  if (value === null || value === undefined) return MISSING
  const number = Number(value)
  if (!Number.isFinite(number)) return MISSING
  const size = Math.abs(number)
  for (const [limit, unit] of /** @type {[number, string][]} */ ([[1e9, 'G'], [1e6, 'M'], [1e3, 'k']])) {
    // 999 999 is not a million: what would round up to the next unit is cut instead.
    if (size >= limit) return sign(number) + digits(size / limit) + unit
  }
  return sign(number) + digits(size)
}

/** @param {number} number */
const sign = (number) => (number < 0 ? '−' : '')

/** @param {number} size below 1000 */
function digits(size) {
  if (Number.isInteger(size)) return String(size)
  const places = size >= 100 ? 0 : size >= 10 ? 1 : 2
  const factor = 10 ** places
  return String(Math.floor(size * factor + 1e-9) / factor)
}

/** One decimal; 0 % and 100 % only when exact.
 * @param {number} part @param {number} whole */
export function share(part, whole) {
  if (!(whole > 0) || !Number.isFinite(part)) return MISSING
  const percent = (100 * part) / whole
  if (part === 0) return `0${THIN}%`
  if (part === whole) return `100${THIN}%`
  if (percent < 0.1) return `<0.1${THIN}%`
  if (percent > 99.9 && percent < 100) return `>99.9${THIN}%`
  return `${percent.toFixed(1)}${THIN}%`
}

/** @param {number | null | undefined} perMinute */
export const rate = (perMinute) => (perMinute === null || perMinute === undefined ? MISSING : `${short(perMinute)}/min`)

/** At most two units.
 * @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return MISSING
  const size = Math.max(0, ms)
  if (size < 1000) return `${Math.round(size)} ms`
  if (size < 60_000) return `${size < 10_000 ? (size / 1000).toFixed(1).replace(/\.0$/, '') : Math.floor(size / 1000)} s`
  const minutes = Math.floor(size / 60_000)
  if (minutes < 60) return pair(minutes, 'min', Math.floor((size % 60_000) / 1000), 's', minutes < 10)
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'min', true)
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h', hours < 24 * 14)
}

/** @param {number} big @param {string} unit @param {number} small @param {string} smaller @param {boolean} both */
const pair = (big, unit, small, smaller, both) => `${big} ${unit}${both && small > 0 ? ` ${small} ${smaller}` : ''}`

/** @param {number | string | null | undefined} value */
export function bytes(value) {
  if (value === null || value === undefined) return MISSING
  let size = Number(value)
  if (!Number.isFinite(size)) return MISSING
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${unit === 0 ? size : digits(size)} ${units[unit]}`
}

/** @param {number | null | undefined} probability */
export function odds(probability) {
  if (probability === null || probability === undefined || !(probability >= 0)) return MISSING
  if (probability >= 0.5) return 'as likely as not'
  const one = 1 / Math.max(probability, 1e-300)
  for (const [limit, word] of /** @type {[number, string][]} */ ([[1e12, 'trillion'], [1e9, 'billion'], [1e6, 'million']])) {
    if (one >= limit * 1000 && word === 'trillion') return 'less than 1 in 1000 trillion'
    if (one >= limit) return `1 in ${digits(Math.floor((one / limit) * 10) / 10)} ${word}`
  }
  return `1 in ${full(Math.floor(one))}`
}

/** "1 key", "3 keys".
 * @param {number | string | null} count @param {string} noun @param {string} [nouns] */
export const counted = (count, noun, nouns = `${noun}s`) => `${full(count)} ${Number(count) === 1 ? noun : nouns}`
