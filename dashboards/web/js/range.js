// A range of time as it stands in the address: `-6h` (ends now, moves on) or two RFC 3339 instants.

/** @typedef {import('./shapes').Range} Range */
/** @typedef {import('./shapes').Span} Span */

const UNITS = /** @type {Record<string, number>} */ ({ s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 })

export const PRESETS = [
  { from: '-15m', label: '15 min' },
  { from: '-1h', label: '1 h' },
  { from: '-6h', label: '6 h' },
  { from: '-24h', label: '24 h' },
  { from: '-7d', label: '7 d' },
  { from: '-30d', label: '30 d' },
]

const DAY = 86_400_000
const SHORTEST = 60_000
const LONGEST = 400 * DAY

/** Milliseconds that `-6h` reaches back; null if it is not of that shape.
 * @param {string} text */
export function reach(text) {
  const found = /^-(\d{1,6})(s|m|h|d)$/.exec(text)
  return found ? Number(found[1]) * UNITS[found[2]] : null
}

/** @param {string} text */
export const isTime = (text) => reach(text) !== null || (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(Date.parse(text)))

/** @param {Range} range @param {number} now @returns {Span} */
export function resolve(range, now) {
  const back = reach(range.from)
  const to = range.to ? Date.parse(range.to) : now
  const from = back !== null ? to - back : Date.parse(range.from)
  if (!Number.isFinite(from) || !Number.isFinite(to) || from >= to) return { from: now - UNITS.h, to: now, live: true }
  return { from, to, live: back !== null && !range.to }
}

/** @param {number} ms */
export const iso = (ms) => new Date(Math.round(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z')

/** @param {Span} span @returns {Range} */
export const frozen = (span) => ({ from: iso(span.from), to: iso(span.to) })

/** Half a width earlier or later; never beyond now.
 * @param {Span} span @param {-1 | 1} direction @param {number} now @returns {Range} */
export function shift(span, direction, now) {
  const width = span.to - span.from
  const to = Math.min(now, span.to + (direction * width) / 2)
  return frozen({ from: to - width, to, live: false })
}

/** Twice or half as wide. A live range stays live, at the next preset.
 * @param {Range} range @param {Span} span @param {-1 | 1} direction -1 wider @param {number} now @returns {Range} */
export function zoom(range, span, direction, now) {
  if (span.live) {
    const width = span.to - span.from
    const sorted = PRESETS.map((preset) => ({ preset, width: reach(preset.from) ?? 0 }))
    const next = direction < 0 ? sorted.find((one) => one.width > width) : sorted.findLast((one) => one.width < width)
    return next ? { from: next.preset.from, to: null } : range
  }
  const middle = (span.from + span.to) / 2
  const half = Math.min(LONGEST, Math.max(SHORTEST, (span.to - span.from) * (direction < 0 ? 2 : 0.5))) / 2
  const to = Math.min(now, middle + half)
  return frozen({ from: to - 2 * half, to, live: false })
}

/** "per minute", "per 10 s": what one column counts.
 * @param {number} seconds */
export function per(seconds) {
  if (seconds === 60) return 'per minute'
  if (seconds === 3600) return 'per hour'
  if (seconds === 86_400) return 'per day'
  if (seconds % 3600 === 0) return `per ${seconds / 3600} h`
  return seconds % 60 === 0 ? `per ${seconds / 60} min` : `per ${seconds} s`
}
