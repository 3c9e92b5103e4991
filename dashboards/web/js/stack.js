// Refusals in time by class: stacked columns without gaps. Reads as an area, is honest about buckets, and lets the last
// columns be pale because they are still filling. Every series is dense: ECharts stacks a time axis by index.

import { sqlHref } from './address.js'
import { causeClass, swatch } from './catalog.js'
import { DECALS } from './classes.js'
import { axis, brush, grid, tip, tooltip } from './chart.js'
import { h } from './dom.js'
import { full, short } from './numbers.js'
import { bucketText, complete, dense, refusals } from './overview.js'
import { per } from './range.js'
import { question } from './rows.js'
import { table } from './table.js'
import { patterns } from './theme.js'
import { clock, when, zoneName } from './times.js'

/** @typedef {import('./shapes').Buckets} Buckets */
/** @typedef {import('./shapes').Marker} Marker */

const MARKERS_MAX = 12
const APART_PX = 24

/** Marks that would stand closer than 24 px become one with a count; at most twelve.
 * @param {Marker[]} markers @param {number} from @param {number} to @param {number} width pixels */
export function clustered(markers, from, to, width) {
  const perPx = (to - from) / Math.max(1, width)
  /** @type {{at: number, titles: string[]}[]} */
  const groups = []
  for (const marker of [...markers].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))) {
    const at = Date.parse(marker.at)
    if (!(at >= from && at <= to)) continue
    const last = groups.at(-1)
    if (last && at - last.at < APART_PX * perPx) last.titles.push(marker.title)
    else groups.push({ at, titles: [marker.title] })
  }
  return groups.slice(-MARKERS_MAX)
}

/** @param {{data: Buckets, markers?: Marker[], incidents?: {since: string, last_at: string, title: string, status: string}[], only?: Set<string> | null, yMax?: number, since?: string | null, what?: string, tenant?: string | null}} of
 *  @returns {import('./chart.js').Picture} */
export function stack({ data, markers = [], incidents = [], only = null, yMax = 0, since = null, what = 'Refusals', tenant = null }) {
  const width = data.bucket_s * 1000
  const starts = data.buckets.map((bucket) => Date.parse(bucket))
  const from = starts[0]
  const to = (starts.at(-1) ?? from) + width
  const done = complete(data)
  const all = dense(data)
  const shown = only ? all.filter((series) => only.has(series.class)) : all
  const total = refusals(data, 0, done, only)
  const caption = `${what} ${per(data.bucket_s)}, ${zoneName(new Date(from))}`
  return {
    sentence: `${caption}: ${full(total)} from ${when(from)} to ${clock(starts[done - 1] === undefined ? from : starts[done - 1] + width)}${since ? `; nothing received before ${when(since)}` : ''}`,
    scrub: { count: data.buckets.length, text: (index) => bucketText(data, index).words },
    table: () => numbers(data, markers, tenant),
    option: (ink) => ({
      grid: grid({ left: 44, right: 18, top: 20, bottom: 24 }),
      xAxis: axis(ink, { type: 'time', min: from, max: to, splitLine: { show: false }, axisLabel: { formatter: (/** @type {number} */ at) => tick(at, to - from) } }),
      yAxis: axis(ink, { type: 'value', min: 0, max: yMax > 0 ? yMax : undefined, interval: yMax > 0 ? evenly(yMax) : undefined, splitNumber: 3, minInterval: 1, axisLine: { show: false }, axisTick: { show: false }, axisLabel: { formatter: (/** @type {number} */ value) => short(value) } }),
      tooltip: tooltip(ink, (params) => {
        const index = params[0]?.dataIndex
        return index === undefined ? null : bucketTip(data, index)
      }, { trigger: 'axis', axisPointer: { type: 'line', lineStyle: { color: ink.edge, type: 'solid' } } }),
      ...brush(),
      series: shown.map((series, position) => ({
        id: series.class, name: causeClass(series.class), type: 'bar', stack: 'classes', barWidth: '100%', barCategoryGap: 0, cursor: 'pointer',
        itemStyle: {
          color: ink.of(`c-${series.class}`), borderColor: ink.surface, borderWidth: 0.5,
          decal: patterns() && DECALS[series.class] ? { ...DECALS[series.class], color: ink.decal, backgroundColor: null, dirty: true, maxTileWidth: 512, maxTileHeight: 512 } : undefined,
        },
        emphasis: { focus: 'none', disabled: true },
        data: series.counts.map((count, index) => ({
          value: [starts[index] + width / 2, count],
          itemStyle: index >= done ? { opacity: 0.4, borderType: 'dashed', borderWidth: 1, borderColor: ink.edge } : undefined,
        })),
        ...(position === 0 ? marks(ink, incidents, clustered(markers, from, to, ink.width - 62), from, to) : {}),
      })),
    }),
  }
}

/** @param {import('./chart.js').Ink} ink @param {{since: string, last_at: string, title: string, status: string}[]} incidents
 *  @param {{at: number, titles: string[]}[]} groups @param {number} from @param {number} to */
function marks(ink, incidents, groups, from, to) {
  const areas = incidents.map((incident) => ({ from: Math.max(from, Date.parse(incident.since)), to: Math.min(to, incident.status === 'resolved' ? Date.parse(incident.last_at) : to) })).filter((area) => area.to > area.from).slice(0, 1)
  return {
    markArea: { silent: true, itemStyle: { color: ink.faded(ink.ink, 0.06) }, data: areas.map((area) => [{ xAxis: area.from }, { xAxis: area.to }]) },
    markLine: {
      silent: true, symbol: 'none', animation: false,
      lineStyle: { color: ink.ink3, type: [2, 3], width: 1 },
      label: { show: true, position: 'end', distance: 2, color: ink.ink2, fontSize: 12, formatter: (/** @type {any} */ { data }) => data.name },
      data: groups.map((group) => ({ xAxis: group.at, name: group.titles.length > 1 ? `▼${group.titles.length}` : '▼' })),
    },
  }
}

/** @param {number} at @param {number} span */
function tick(at, span) {
  const time = clock(at, { to: span < 600_000 ? 'second' : 'minute' })
  return span > 36 * 3_600_000 || time === '00:00' ? when(at, { now: 0 }).replace(/ \d{4} /, ' ').replace(/ 00:00$/, '') : time
}

/** @param {Buckets} data @param {number} index */
function bucketTip(data, index) {
  const { shown, refused, filling } = bucketText(data, index)
  const end = Date.parse(data.buckets[index]) + data.bucket_s * 1000
  const to = data.bucket_s < 60 ? 'second' : 'minute'
  const passed = Math.min(data.bucket_s, Math.max(0, Math.round((Date.parse(data.complete_until ?? '') - Date.parse(data.buckets[index])) / 1000)))
  return tip(`${clock(data.buckets[index], { to })}–${clock(end, { to })}`,
    [...shown.toReversed().map((one) => ({ swatch: swatch(one.class), name: one.name, value: full(one.count) })),
      { name: 'Refused', value: full(refused) }, { name: 'Requests', value: full(data.requests[index] ?? null) }],
    filling ? `Still filling, ${Number.isFinite(passed) ? `${passed} of ` : ''}${data.bucket_s} s` : null)
}

/** The same numbers, newest first; each count leads to its rows. @param {Buckets} data @param {Marker[]} markers @param {string | null} tenant */
function numbers(data, markers, tenant) {
  const series = dense(data).filter((one) => one.counts.some((count) => count > 0))
  const rows = data.buckets.map((bucket, index) => ({
    at: bucket, index, requests: data.requests[index], refused: refusals(data, index, index + 1), filling: index >= complete(data),
    marks: markers.filter((marker) => Date.parse(marker.at) >= Date.parse(bucket) && Date.parse(marker.at) < Date.parse(bucket) + data.bucket_s * 1000).map((marker) => marker.title).join('; '),
    ...Object.fromEntries(series.map((one) => [one.class, one.counts[index]])),
  })).reverse()
  const link = (/** @type {number} */ count, /** @type {any} */ row, /** @type {string} */ name) => {
    const from = Date.parse(row.at)
    return count > 0 ? h('a', { href: sqlHref(question({ from, to: from + data.bucket_s * 1000, class: name, tenant })) }, full(count)) : '0'
  }
  return table({
    caption: `Refusals ${per(data.bucket_s)} by class`, rows,
    columns: [
      { key: 'at', label: 'From', show: (value, row) => [h('time', { datetime: value }, when(value)), row.filling ? ' still filling' : ''] },
      { key: 'requests', label: 'Requests', numeric: true },
      { key: 'refused', label: 'Refused', numeric: true },
      ...series.map((one) => ({ key: one.class, label: causeClass(one.class), numeric: true, show: (/** @type {number} */ count, /** @type {any} */ row) => link(count, row, one.class) })),
      ...(markers.length > 0 ? [{ key: 'marks', label: 'Changes' }] : []),
    ],
  })
}

/** Between two lines, so that the last one is the top. @param {number} top */
function evenly(top) {
  const step = [4, 3, 5].map((parts) => top / parts).find((part) => Number.isInteger(part))
  return step ?? top
}

/** The y axis only grows within a view. @param {Buckets} data @param {Set<string> | null} only @param {number} before */
export function ceiling(data, only, before) {
  const shown = dense(data).filter((series) => !only || only.has(series.class))
  const most = Math.max(0, ...data.buckets.map((_, index) => shown.reduce((all, series) => all + (series.counts[index] ?? 0), 0)))
  if (most <= before) return before
  const step = 10 ** Math.floor(Math.log10(Math.max(1, most)))
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * step).find((top) => top >= most) ?? most
}
