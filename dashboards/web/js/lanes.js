// One time axis, several lanes, one crosshair through all: what it was, what it asked, what failed, what was found.

import { axis, brush, grid, tip, tooltip } from './chart.js'
import { causeClass, swatch } from './catalog.js'
import { SHAPES, token } from './classes.js'
import { h } from './dom.js'
import { counted, full, short } from './numbers.js'
import { bucketText, dense, refusals, sum } from './overview.js'
import { table } from './table.js'
import { clock, when, zoneName } from './times.js'

/** @typedef {import('./shapes').Buckets} Buckets */
/** @typedef {import('./shapes').StateChange} StateChange */

/** Whose state it is: "principal ada: status" is ada's, "status" is of whatever the picture is about. */
const STATUS = /^(?:(.*)[:.] ?)?status$/
const WHO = /** @type {Record<string, string>} */ ({ principal: 'user' })

/** The state as spans: what held from when to when. Of several that changed it is the one that went bad first: the others
 * followed. @param {StateChange[]} states @param {number} from @param {number} to */
export function spans(states, from, to) {
  const all = states.filter((state) => STATUS.test(state.field)).sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
  const first = all.find((state) => state.to && !GOOD.test(state.to)) ?? all[0]
  const changes = all.filter((state) => state.field === first.field)
  const who = all.length > changes.length ? STATUS.exec(first.field)?.[1]?.split(' ')[0] ?? '' : ''
  const worded = (/** @type {string | null} */ state) => (state && who ? `${WHO[who] ?? who} ${state}` : state)
  /** @type {{from: number, to: number, state: string}[]} */
  const list = []
  let state = worded(changes[0]?.from ?? null)
  let began = from
  for (const change of changes) {
    const at = Date.parse(change.at)
    if (at > to) break
    if (at > from) {
      if (state) list.push({ from: began, to: at, state })
      began = at
    }
    state = worded(change.to)
  }
  if (state) list.push({ from: began, to, state })
  return list
}

/** Pixels, the gap below among them. */
const LANES = { state: { height: 22, gap: 14, counts: false }, requests: { height: 52, gap: 16, counts: true }, failures: { height: 68, gap: 12, counts: true }, findings: { height: 18, gap: 0, counts: false } }
/** @typedef {keyof typeof LANES} Lane */

/** Where the lanes that there are lie below each other. @param {(Lane | null)[]} list */
function placed(list) {
  // Room for the uppermost number of an axis.
  let top = list[0] === 'state' ? 4 : 10
  return list.filter((lane) => lane !== null).map((lane) => {
    const { height, gap } = LANES[lane]
    const one = { lane, top, height }
    top += height + gap
    return one
  })
}

const GOOD = /\b(active|created|enabled|rotated)$/i

/** @param {{data: Buckets, states: StateChange[], findings?: import('./shapes').Row[], name: string}} of @returns {import('./chart.js').Picture} */
export function lanes({ data, states, findings = [], name }) {
  const width = data.bucket_s * 1000
  const starts = data.buckets.map((bucket) => Date.parse(bucket))
  const from = starts[0]
  const to = (starts.at(-1) ?? from) + width
  const held = spans(states, from, to)
  // A network has no state, and most things were never found at anything: no lane for what is not there.
  const lanes = placed([held.length > 0 ? 'state' : null, 'requests', 'failures', findings.length > 0 ? 'findings' : null])
  const place = (/** @type {Lane} */ lane) => lanes.findIndex((one) => one.lane === lane)
  const middle = (/** @type {number} */ index) => starts[index] + width / 2
  const requests = sum(data.requests)
  const refused = refusals(data, 0, data.buckets.length)
  return {
    sentence: `${name}, ${when(from)} to ${when(to)}, ${zoneName(new Date(from))}: ${counted(requests, 'request')}, ${counted(refused, 'refusal')}${held.length > 0 ? `, now ${held.at(-1)?.state}` : ''}`,
    size: `lanes${held.length > 0 ? '' : ' stateless'}${findings.length > 0 ? '' : ' unfound'}`,
    scrub: { count: data.buckets.length, series: held.length > 0 ? 1 : 0, text: (index) => `${counted(data.requests[index] ?? 0, 'request')}, ${bucketText(data, index).words}` },
    table: () => numbers(data, states),
    option: (ink) => {
      const left = 104
      const last = lanes.length - 1
      const label = (/** @type {string} */ text) => ({ name: text, nameLocation: 'middle', nameGap: 96, nameRotate: 0, nameTextStyle: { color: ink.ink2, align: 'left', fontSize: 12, fontFamily: ink.font } })
      const counts = () => ({ ...axis(ink, { axisLine: { show: false }, axisTick: { show: false }, axisLabel: { formatter: short } }), type: 'value', min: 0, splitNumber: 1, minInterval: 1 })
      const bare = () => ({ ...axis(ink, { splitLine: { show: false }, axisLine: { show: false }, axisTick: { show: false }, axisLabel: { show: false } }), type: 'value', min: 0, max: 1 })
      const on = (/** @type {Lane} */ lane) => ({ xAxisIndex: place(lane), yAxisIndex: place(lane) })
      return {
        grid: lanes.map(({ top, height }) => grid({ left, right: 18, top, height })),
        axisPointer: { link: [{ xAxisIndex: 'all' }], lineStyle: { color: ink.edge, type: 'solid' }, label: { show: false } },
        xAxis: lanes.map((_, index) => axis(ink, {
          type: 'time', gridIndex: index, min: from, max: to, splitLine: { show: false },
          axisTick: { show: index === last }, axisLine: { show: lanes[index].lane !== 'state', lineStyle: { color: index === last ? ink.edge : ink.line } },
          axisLabel: { show: index === last, formatter: (/** @type {number} */ at) => (to - from > 36 * 3_600_000 ? when(at).replace(/ 00:00$/, '') : clock(at)) },
        })),
        yAxis: lanes.map(({ lane }, index) => ({ ...(LANES[lane].counts ? counts() : bare()), gridIndex: index, ...label(lane) })),
        tooltip: tooltip(ink, (params) => {
          const list = Array.isArray(params) ? params : [params]
          const bar = list.find((one) => one.seriesType === 'bar')
          const found = list.find((one) => one.seriesType === 'scatter')
          if (found && !bar) return tip(when(found.value[0], { to: 'second' }), [{ name: String(found.name), value: '' }])
          return bar ? laneTip(data, bar.dataIndex, held) : null
        }, { trigger: 'axis' }),
        ...brush(),
        series: [
          ...(held.length === 0 ? [] : [{
            id: 'state', type: 'custom', ...on('state'), silent: true,
            data: held.map((one) => ({ value: [one.from, one.to], name: one.state })),
            renderItem: (/** @type {any} */ _, /** @type {any} */ api) => {
              const one = held.find((span) => span.from === api.value(0))
              const [x0, y0] = api.coord([api.value(0), 1])
              const [x1, y1] = api.coord([api.value(1), 0])
              const bad = one ? !GOOD.test(one.state) : false
              return { type: 'group', children: [
                { type: 'rect', shape: { x: x0, y: y0, width: Math.max(1, x1 - x0), height: y1 - y0 }, style: { fill: bad ? ink.faded(ink.critical, 0.14) : ink.faded(ink.ink, 0.05), stroke: bad ? ink.critical : ink.edge, lineWidth: 1 } },
                { type: 'text', style: { text: one?.state ?? '', x: x0 + 6, y: (y0 + y1) / 2, verticalAlign: 'middle', fill: bad ? ink.critical : ink.ink2, fontSize: 12, fontFamily: ink.font, width: Math.max(0, x1 - x0 - 8), overflow: 'truncate' } },
              ] }
            },
          }]),
          { id: 'requests', name: 'Requests', type: 'bar', ...on('requests'), barWidth: '100%', itemStyle: { color: ink.edge, borderColor: ink.surface, borderWidth: 0.5 }, emphasis: { disabled: true }, data: data.requests.map((count, index) => [middle(index), count]) },
          ...dense(data).map((series) => ({ id: series.class, name: causeClass(series.class), type: 'bar', stack: 'failures', ...on('failures'), barWidth: '100%', emphasis: { disabled: true }, itemStyle: { color: ink.of(`c-${series.class}`), borderColor: ink.surface, borderWidth: 0.5 }, data: series.counts.map((count, index) => [middle(index), count]) })),
          ...(findings.length === 0 ? [] : [{ id: 'findings', name: 'Findings', type: 'scatter', ...on('findings'), symbolSize: 11, data: findings.map((finding) => foundPoint(finding, ink)).filter((point) => point.value[0] >= from && point.value[0] <= to) }]),
        ],
      }
    },
  }
}

/** @param {import('./shapes').Row} finding @param {import('./chart.js').Ink} ink */
function foundPoint(finding, ink) {
  const at = Date.parse(String(finding.from_at ?? finding.at ?? finding.to_at))
  const name = token(/** @type {string | null} */ (finding.class ?? null))
  return { value: [at, 0.5], name: String(finding.title ?? finding.summary ?? finding.detector ?? 'finding'), symbol: SHAPES[name], itemStyle: { color: finding.severity === 'critical' || finding.severity === 'high' ? ink.critical : ink.ink2 } }
}

/** @param {Buckets} data @param {number} index @param {{from: number, to: number, state: string}[]} held */
function laneTip(data, index, held) {
  const { shown } = bucketText(data, index)
  const at = Date.parse(data.buckets[index])
  const state = held.find((span) => at >= span.from && at < span.to)?.state
  return tip(`${when(at)}–${clock(at + data.bucket_s * 1000)}`, [
    ...(state ? [{ name: 'State', value: state }] : []),
    { name: 'Requests', value: full(data.requests[index] ?? null) },
    ...shown.toReversed().map((one) => ({ swatch: swatch(one.class), name: one.name, value: full(one.count) }))])
}

/** @param {Buckets} data @param {StateChange[]} states */
function numbers(data, states) {
  const series = dense(data).filter((one) => one.counts.some((count) => count > 0))
  const rows = data.buckets.map((bucket, index) => ({ at: bucket, requests: data.requests[index], ...Object.fromEntries(series.map((one) => [one.class, one.counts[index]])) })).filter((row) => row.requests > 0).reverse()
  return h('div', null,
    table({ caption: 'Requests and failures', rows, columns: [{ key: 'at', label: 'From', type: 'timestamp' }, { key: 'requests', label: 'Requests', numeric: true }, ...series.map((one) => ({ key: one.class, label: causeClass(one.class), numeric: true }))] }),
    changes(states))
}

/** @param {StateChange[]} states */
export const changes = (states) => (states.length === 0 ? null : table({
  caption: 'Changes of state', showCaption: true, rows: [...states].reverse(),
  columns: [{ key: 'at', label: 'At', type: 'timestamp' }, { key: 'field', label: 'Field' }, { key: 'from', label: 'From' }, { key: 'to', label: 'To' }, { key: 'version', label: 'Snapshot' }],
}))
