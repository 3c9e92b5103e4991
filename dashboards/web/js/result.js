// The rows of an answer, as a table or as a chart that its shape suggests: a time and numbers are lines, a word and a
// number are bars.

import { axis, figure, grid, tip, tooltip } from './chart.js'
import { cause, causeClass, causeTag, classOf, classTag, deniedBy } from './catalog.js'
import { token } from './classes.js'
import { diagnoseHref, entityHref } from './address.js'
import { fill, h, hostile, id as shortId } from './dom.js'
import { full, short } from './numbers.js'
import { empty } from './panel.js'
import { columnOf, objects, table } from './table.js'
import { clock, when } from './times.js'

/** @typedef {import('./shapes').Table} Table */
/** @typedef {import('./table.js').TableColumn} TableColumn */

const LINKS = /** @type {Record<string, string>} */ ({ key_id: 'key', key: 'key', principal_id: 'principal', owner: 'principal', tenant_id: 'tenant', tenant: 'tenant', client_network: 'network', network: 'network', route: 'route' })
const BARS_MAX = 20
const BAR_PX = 22
const LINES_MAX = 8
const CAUSES = ['cause', 'main_cause']
const CLASSES = ['class', 'cause_class']

/** Cells that lead on: causes in their colour, ids to their page. @param {TableColumn} column @returns {TableColumn} */
export function led(column) {
  const kind = LINKS[column.key]
  if (CAUSES.includes(column.key)) return { ...column, show: (value) => (value ? causeTag(value) : '–') }
  if (CLASSES.includes(column.key)) return { ...column, show: (value) => (value ? classTag(value) : '–') }
  if (column.key === 'denied_by') return { ...column, show: (value) => (value ? deniedBy(value) : '–') }
  if (column.key === 'request_id') return { ...column, show: (value) => (value ? h('a', { href: diagnoseHref('request', value) }, shortId(value, 22)) : '–') }
  if (kind && !column.numeric) return { ...column, show: (value) => (value ? h('a', { href: entityHref(kind, value) }, hostile(value)) : '–') }
  return column
}

/** @param {{
 *   name: string, answer: Table, columns?: import('./shapes').Column[], chart?: import('./shapes').Report['chart'], sort: string | null, onSort: (sort: string) => void,
 *   view: 'table' | 'chart', onView: (view: 'table' | 'chart') => void, tools?: import('./dom.js').Child,
 * }} of */
export function resultView({ name, answer, columns, chart: hint = null, sort, onSort, view, onView, tools }) {
  const known = new Map((columns ?? []).map((column) => [column.name, column]))
  const shapes = answer.columns.map((column) => columnOf({ ...known.get(column.name), ...column, unit: column.unit ?? known.get(column.name)?.unit, meaning: column.meaning ?? known.get(column.name)?.meaning }))
  const rows = objects(answer)
  const body = h('div')
  /** @type {ReturnType<typeof figure> | null} */
  let chart = null
  let now = view
  const button = (/** @type {'table' | 'chart'} */ which, /** @type {string} */ label) => h('button', { type: 'button', onclick: () => choose(which), 'data-view': which }, label)
  const buttons = [button('table', 'Table'), button('chart', 'Chart')]
  const root = h('div', { class: 'result' }, h('div', { class: 'row result-tools' }, h('div', { class: 'segments', role: 'group', 'aria-label': 'View' }, buttons), h('div', { class: 'tools' }, tools)), body)

  /** @param {'table' | 'chart'} next */
  function choose(next) {
    now = next
    draw()
    onView(next)
  }

  function draw() {
    for (const one of buttons) one.setAttribute('aria-pressed', String(one.dataset.view === now))
    chart?.dispose()
    chart = null
    if (now === 'table') {
      fill(body, table({ caption: name, columns: shapes.map(led), rows, sort, onSort }))
      return
    }
    const picture = pictureOf(name, shapes, rows, hint)
    if (!picture) return fill(body, empty('No chart for this shape: it needs a time or a word, and a number.'))
    chart = figure(picture, { size: 'chart' })
    fill(body, chart.root)
  }

  draw()
  return {
    root,
    /** @param {string | null} nextSort @param {'table' | 'chart'} nextView */
    follow(nextSort, nextView) {
      sort = nextSort
      if (nextView !== now) {
        now = nextView
        draw()
      }
    },
    toggle: () => choose(now === 'table' ? 'chart' : 'table'),
    dispose: () => chart?.dispose(),
  }
}

const isTimeColumn = (/** @type {TableColumn} */ column) => /^(timestamp|date|time)/i.test(column.type ?? '')

/** @param {string} name @param {TableColumn[]} columns @param {any[]} rows @param {import('./shapes').Report['chart']} [hint] how the report wants to be drawn
 * @returns {import('./chart.js').Picture | null} */
export function pictureOf(name, columns, rows, hint = null) {
  // A class says nothing that its cause does not.
  const wordBeside = (/** @type {TableColumn | undefined} */ first) => columns.find((column) => column !== first && !column.numeric && !isTimeColumn(column) && !CLASSES.includes(column.key))
  if (hint) {
    const [x, y, series] = [hint.x, hint.y, hint.series].map((key) => columns.find((column) => column.key === key))
    if (x && y) return hint.shape === 'bars' ? ranking(name, x, y, rows, series ?? wordBeside(x)) : lines(name, x, [y], series, rows)
  }
  const time = columns.find(isTimeColumn)
  const measures = columns.filter((column) => column.numeric)
  const word = columns.find((column) => !column.numeric && !isTimeColumn(column))
  if (measures.length === 0 || (!time && !word)) return null
  if (time && (!word || new Set(rows.map((row) => row[time.key])).size > 1)) return lines(name, time, measures.slice(0, 4), word, rows)
  return ranking(name, /** @type {TableColumn} */ (word), measures[0], rows, wordBeside(word))
}

/** @param {string} name @param {TableColumn} time @param {TableColumn[]} measures @param {TableColumn | undefined} word @param {any[]} rows */
function lines(name, time, measures, word, rows) {
  // One measure of several things, or several measures of one: each a line, with gaps where nothing was received.
  const groups = word ? [...Map.groupBy(rows, (row) => row[word.key])].slice(0, LINES_MAX).map(([value, list]) => ({ name: worded(word, value), class: classIn(word, value), list, measure: measures[0] }))
    : measures.map((measure) => ({ name: measure.label ?? measure.key, class: null, list: rows, measure }))
  const points = groups.map((group) => ({ name: group.name, class: group.class, data: group.list.map((row) => [Date.parse(row[time.key]), row[group.measure.key] === null ? null : Number(row[group.measure.key])]).sort((a, b) => Number(a[0]) - Number(b[0])) }))
  const first = points[0]?.data ?? []
  return {
    sentence: `${name}: ${groups.map((group) => group.name).slice(0, 4).join(', ')} by ${time.label ?? time.key}`,
    scrub: { count: first.length, text: (/** @type {number} */ index) => `${when(first[index]?.[0])}, ${full(first[index]?.[1])}` },
    option: (/** @type {import('./chart.js').Ink} */ ink) => ({
      grid: grid({ left: 52, right: Math.min(150, ink.width / 4), top: 12, bottom: 24 }),
      xAxis: axis(ink, { type: 'time', splitLine: { show: false }, axisLabel: { formatter: (/** @type {number} */ at) => clock(at) } }),
      yAxis: axis(ink, { type: 'value', splitNumber: 3, axisLine: { show: false }, axisLabel: { formatter: (/** @type {number} */ value) => short(value) } }),
      tooltip: tooltip(ink, (params) => tip(when(params[0]?.value?.[0], { to: 'second' }), params.map((/** @type {any} */ one) => ({ name: one.seriesName, value: full(one.value[1]) }))), { trigger: 'axis' }),
      series: points.map((one, index) => ({
        id: `line-${index}`, name: one.name, type: 'line', showSymbol: first.length < 3, smooth: false, connectNulls: false, data: one.data, ...strokeOf(one.class, index, ink),
        endLabel: { show: true, formatter: '{a}', color: ink.ink2, fontSize: 12, width: Math.min(140, ink.width / 4 - 10), overflow: 'truncate' },
        labelLayout: { moveOverlap: 'shiftY' },
      })),
    }),
  }
}

/** A value as people call it. @param {TableColumn} column @param {any} value */
const worded = (column, value) => (CAUSES.includes(column.key) ? cause(value) : CLASSES.includes(column.key) ? causeClass(value) : column.key === 'denied_by' ? deniedBy(value) : String(value ?? '–'))

/** The class whose colour a value has; colour means nothing else. @param {TableColumn} column @param {any} value */
const classIn = (column, value) => (CAUSES.includes(column.key) ? token(classOf(value)) : CLASSES.includes(column.key) ? token(value) : null)

/** Lines that are no classes are told apart by their dashes. @param {string | null} name @param {number} index @param {import('./chart.js').Ink} ink */
function strokeOf(name, index, ink) {
  const color = name ? ink.of(`c-${name}`) : [ink.accent, ink.ink2][index % 2]
  return { itemStyle: { color }, lineStyle: { width: 1.5, color, type: name ? 'solid' : ['solid', [6, 3], [2, 3], [8, 3, 2, 3]][Math.floor(index / 2) % 4] } }
}

/** @param {string} name @param {TableColumn} word @param {TableColumn} measure @param {any[]} rows @param {TableColumn | undefined} second tells rows apart that have the same word */
function ranking(name, word, measure, rows, second) {
  const repeated = second && new Set(rows.map((row) => row[word.key])).size < rows.length
  const list = rows.map((row) => ({
    name: repeated && row[second.key] !== null ? `${worded(word, row[word.key])} · ${worded(second, row[second.key])}` : worded(word, row[word.key]),
    class: classIn(word, row[word.key]), value: Number(row[measure.key] ?? 0),
  })).sort((a, b) => b.value - a.value).slice(0, BARS_MAX)
  return {
    sentence: `${name}: ${(measure.label ?? measure.key).toLowerCase()} by ${(word.label ?? word.key).toLowerCase()}${list.length < rows.length ? `, the first ${list.length} of ${full(rows.length)}` : ''}`,
    height: list.length * BAR_PX + 36,
    scrub: { count: list.length, text: (/** @type {number} */ index) => `${list[index]?.name ?? ''}, ${full(list[index]?.value)}` },
    option: (/** @type {import('./chart.js').Ink} */ ink) => ({
      grid: grid({ left: Math.min(280, ink.width * 0.4), right: 56, top: 4, bottom: 24 }),
      xAxis: axis(ink, { type: 'value', min: 0, splitNumber: 3, axisLabel: { formatter: (/** @type {number} */ value) => short(value) } }),
      yAxis: axis(ink, { type: 'category', inverse: true, data: list.map((one) => one.name), axisTick: { show: false }, axisLabel: { color: ink.ink, interval: 0, width: Math.min(268, ink.width * 0.4 - 12), overflow: 'truncate' } }),
      tooltip: tooltip(ink, (params) => tip(params[0]?.name ?? '', [{ name: measure.label ?? measure.key, value: full(params[0]?.value) }]), { trigger: 'axis', axisPointer: { type: 'none' } }),
      series: [{ id: 'bars', type: 'bar', barMaxWidth: 16, itemStyle: { color: ink.accent }, emphasis: { disabled: true }, data: list.map((one) => ({ value: one.value, itemStyle: one.class ? { color: ink.of(`c-${one.class}`) } : undefined })), label: { show: true, position: 'right', color: ink.ink2, formatter: (/** @type {any} */ { value }) => short(value) } }],
    }),
  }
}
