// What Now shows, as values: merging deltas, totals of complete buckets, rates, and the sentence made of them.

import { isRefusal, ORDER, token } from './classes.js'
import { counted, share, short } from './numbers.js'
import { clock, hourOfWeek, instant, when } from './times.js'
import * as names from './catalog.js'
import { isActive, ranked } from './severity.js'

/** @typedef {import('./shapes').Overview} Overview */
/** @typedef {import('./shapes').Delta} Delta */
/** @typedef {import('./shapes').Buckets} Buckets */

/** New absolute values for the touched buckets; the window moves on by whole buckets and keeps its length.
 * @param {Overview} before @param {Delta} delta @returns {Overview} */
export function merge(before, delta) {
  const width = before.buckets.length
  const touched = new Map(delta.buckets.map((bucket, index) => [Date.parse(bucket), index]))
  const first = Date.parse(before.buckets[0] ?? delta.buckets[0])
  const last = Math.max(Date.parse(before.buckets.at(-1) ?? ''), ...touched.keys())
  const step = before.bucket_s * 1000
  /** @type {number[]} */
  const starts = []
  for (let at = last; at >= first && starts.length < width; at -= step) starts.unshift(at)
  const old = new Map(before.buckets.map((bucket, index) => [Date.parse(bucket), index]))
  const of = new Map(delta.series.map((series) => [series.class, series.counts]))
  /** @param {number[] | undefined} was @param {number[] | undefined} is @returns {number[]} */
  const row = (was, is) => starts.map((at) => {
    const now = touched.get(at)
    if (now !== undefined && is) return is[now]
    const then = old.get(at)
    return then === undefined ? 0 : was?.[then] ?? 0
  })
  return {
    ...before,
    as_of: delta.as_of,
    complete_until: delta.complete_until ?? before.complete_until,
    from: new Date(starts[0]).toISOString(),
    to: new Date(last + step).toISOString(),
    buckets: starts.map((at) => new Date(at).toISOString()),
    requests: row(before.requests, delta.requests),
    series: before.series.map((series) => ({ class: series.class, counts: row(series.counts, of.get(series.class)) })),
    ingest: delta.ingest ?? before.ingest,
  }
}

/** How many leading buckets are complete: the rest is still filling. @param {Buckets} data */
export function complete(data) {
  const until = instant(data.complete_until)?.getTime()
  if (until === undefined) return data.buckets.length
  const index = data.buckets.findIndex((bucket) => Date.parse(bucket) + data.bucket_s * 1000 > until)
  return index < 0 ? data.buckets.length : index
}

const SHOWN_MIN = 15

/** Without the leading buckets in which nothing was received yet, down to a quarter of an hour: the first minutes of a
 * service would be a sliver otherwise. @template {Buckets} T @param {T} data @returns {{data: T, since: string | null}} */
export function begun(data) {
  const first = data.requests.findIndex((count) => count > 0)
  const cut = Math.min(first, data.buckets.length - SHOWN_MIN)
  if (cut < 3) return { data, since: null }
  const tail = (/** @type {any[]} */ list) => list.slice(cut)
  return { since: data.buckets[first], data: { ...data, buckets: tail(data.buckets), requests: tail(data.requests), series: data.series.map((series) => ({ class: series.class, counts: tail(series.counts) })) } }
}

/** Dense series in the fixed order, a class that the server left out as zeros. @param {Buckets} data */
export function dense(data) {
  const found = new Map(data.series.map((series) => [token(series.class), series.counts]))
  return ORDER.map((name) => ({ class: name, counts: found.get(name) ?? data.buckets.map(() => 0) }))
}

/** @param {number[]} list @param {number} [from] @param {number} [to] */
export const sum = (list, from = 0, to = list.length) => list.slice(Math.max(0, from), to).reduce((all, one) => all + one, 0)

/** @param {Buckets} data @param {number} from @param {number} to bucket indices @param {Set<string> | null} [only] */
export function refusals(data, from, to, only = null) {
  return dense(data).filter((series) => isRefusal(series.class) && (!only || only.has(series.class))).reduce((all, series) => all + sum(series.counts, from, to), 0)
}

const RECENT_MINUTES = 5

/** Refusals a minute: over the last five complete minutes of a live view, over the whole of a frozen one.
 * @param {Overview} data @param {boolean} live */
export function rates(data, live) {
  const end = complete(data)
  const buckets = live ? Math.max(1, Math.round((RECENT_MINUTES * 60) / data.bucket_s)) : end
  const from = Math.max(0, end - buckets)
  const minutes = ((end - from) * data.bucket_s) / 60
  const refused = refusals(data, from, end)
  const requests = sum(data.requests, from, end)
  const wrong = sum(dense(data)[0].counts, from, end)
  return { perMinute: minutes > 0 ? refused / minutes : 0, refused, requests, wrong, minutes }
}

const rounded = (/** @type {number} */ perMinute) => (perMinute >= 10 ? Math.round(perMinute) : Math.round(perMinute * 10) / 10)

/** The first sentence of the page, and a second that says since when and mostly what.
 * @param {Overview} data @param {boolean} live @param {number} [now] @returns {{first: string, second: string, quiet: boolean}} */
export function sentence(data, live, now = Date.now()) {
  const { perMinute, refused, requests, wrong } = rates(data, live)
  const total = sum(data.requests)
  if (total === 0) {
    const last = instant(data.ingest.last_event_at)
    if (!last) return { first: 'No requests yet.', second: 'Point a gateway’s log at Claviger: `claviger formats FILE` shows how.', quiet: true }
    return { first: 'No requests received in this range.', second: nothingReceived(data, live, now), quiet: true }
  }
  const usual = data.usual_per_minute
  const open = data.incidents.filter(isActive)
  const hour = hourOfWeek(live ? now : data.to)
  const calm = open.length === 0 && (usual === null ? refused === 0 : perMinute <= Math.max(1, usual * 1.5))
  const amount = `${short(rounded(perMinute))} ${rounded(perMinute) === 1 ? 'refusal' : 'refusals'} a minute`
  if (calm && usual !== null) return { first: `Quiet. ${amount}, usual for ${hour}.`, second: servedWrong(wrong), quiet: true }
  const part = requests > 0 ? `, ${share(refused, requests)} of requests` : ''
  const expected = usual === null ? young(data) : ` Usual for ${hour}: ${short(rounded(usual))}.`
  return { first: `${amount}${part}.${expected}`, second: [since(open, now), mostly(data), servedWrong(wrong)].filter(Boolean).join(' '), quiet: false }
}

/** @param {Overview} data */
const young = (data) => data.usual_days_seen === undefined
  ? ' Usual is not known yet.'
  : ` Usual is not known yet: ${data.usual_days_seen} of ${data.usual_days_needed ?? 14} days seen.`

/** @param {import('./shapes').Incident[]} open @param {number} now */
function since(open, now) {
  const worst = ranked(open.filter((incident) => incident.status === 'open'))[0] ?? open[0]
  return worst ? `Since ${when(worst.since, { now })}.` : ''
}

/** @param {Overview} data */
function mostly(data) {
  const top = data.top[0]
  if (!top) return ''
  const who = [top.tenant ? `tenant ${top.tenant}` : '', top.keys > 0 ? `${top.keys_at_least ? 'at least ' : ''}${counted(top.keys, 'key')}` : ''].filter(Boolean).join(', ')
  return `Mostly ${names.cause(top.cause)}${who ? ` (${who})` : ''}.`
}

/** @param {number} wrong */
function servedWrong(wrong) {
  if (wrong === 0) return ''
  return `${counted(wrong, 'request')} served that should have been refused.`
}

/** @param {{to: string, ingest: {last_event_at: string | null}}} data @param {boolean} live @param {number} now */
export function nothingReceived(data, live, now) {
  const last = instant(data.ingest.last_event_at)
  if (!last) return 'None was ever received.'
  const end = live ? now : Date.parse(data.to)
  const minutes = Math.max(0, Math.round((end - last.getTime()) / 60_000))
  return `The last one came at ${clock(last, { to: 'second' })}, ${minutes} min before its end. Check ingest.`
}

/** Text for one bucket: the scrubber's and the tooltip's. @param {Buckets} data @param {number} index */
export function bucketText(data, index) {
  const shown = dense(data).filter((series) => series.counts[index] > 0).map((series) => ({ name: names.causeClass(series.class), count: series.counts[index], class: series.class }))
  const refused = refusals(data, index, index + 1)
  const filling = index >= complete(data)
  const words = [`${clock(data.buckets[index], { to: data.bucket_s < 60 ? 'second' : 'minute' })}`, counted(refused, 'refusal'),
    ...[...shown].reverse().map((one) => `${one.name.toLowerCase()} ${one.count}`)]
  if (filling) words.push('still filling')
  return { words: words.join(', '), shown, refused, filling }
}
