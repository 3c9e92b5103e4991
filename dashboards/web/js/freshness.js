// How fresh what is shown is: one word and a number. And freezing, so that nothing moves under the hand.

import { h, say } from './dom.js'
import { duration } from './numbers.js'
import { clock } from './times.js'
import { alarm } from './announce.js'

/** @typedef {import('./live.js').Moment} Moment */

const BEHIND_MS = 15_000
const SNAPSHOT_LIMIT_S = 3600

const node = h('span', { class: 'freshness', 'aria-live': 'off' })
const identity = h('p', { class: 'warning-line', hidden: true })
/** @type {Moment | null} */
let moment = null
/** @type {number | null} */
let frozenAt = null
/** @type {number | null} */
let receivedAt = null
let lostSince = 0

export const label = node
export const identityLine = identity
export const isFrozen = () => frozenAt !== null

/** @returns {string} */
export function freshnessText(now = Date.now()) {
  if (!moment) return ''
  if (frozenAt !== null) return `Frozen at ${clock(frozenAt, { to: 'second' })} (press . to resume)`
  if (moment.status.state === 'lost') {
    const wait = Math.max(0, Math.ceil(((moment.status.retryAt ?? now) - now) / 1000))
    const from = receivedAt === null ? '' : ` Data from ${clock(receivedAt, { to: 'second' })}.`
    return `Not live.${from} Reconnecting in ${wait} s`
  }
  if (moment.status.state === 'off') return moment.status.reason ? `Not live. ${moment.status.reason}` : ''
  const behind = moment.overview?.ingest.behind_ms
  if (behind === null || behind === undefined) return 'Live'
  return behind > BEHIND_MS ? `Behind by ${duration(behind)}` : `Live, ${duration(Math.max(1000, Math.round(behind / 1000) * 1000))} behind`
}

/** @param {Moment | null} next */
export function show(next) {
  moment = next
  if (next?.status.state === 'live') {
    receivedAt = Date.now()
    if (lostSince > 0) {
      lostSince = 0
      alarm('')
    }
  } else if (next?.status.state === 'lost' && lostSince === 0) {
    lostSince = Date.now()
    alarm('Not live: the connection was lost. Reconnecting.')
  }
  draw()
}

/** @returns {boolean} whether it is frozen now */
export function toggleFreeze() {
  frozenAt = frozenAt === null ? Date.now() : null
  draw()
  document.dispatchEvent(new CustomEvent('freeze'))
  return frozenAt !== null
}

export function thaw() {
  if (frozenAt !== null) toggleFreeze()
}

function draw() {
  say(node, freshnessText())
  node.dataset.state = frozenAt !== null ? 'frozen' : moment?.status.state ?? 'off'
  const age = moment?.overview?.ingest.snapshot_age_s
  const limit = moment?.overview?.ingest.snapshot_limit_s ?? SNAPSHOT_LIMIT_S
  const old = age !== null && age !== undefined && age > limit
  identity.hidden = !old
  if (old) say(identity, `Identity snapshot is ${duration((age ?? 0) * 1000)} old (limit ${duration(limit * 1000)}): verdicts say likely at best.`)
}

export const ticking = () => setInterval(() => {
  if (moment?.status.state === 'lost') draw()
}, 1000)
