// Now: is anything wrong, for whom, since when? The sentence first, then at most five incidents, then the proof.

import { go, href, param, patch, sqlHref } from '../address.js'
import { get } from '../api.js'
import { causeClass, swatch } from '../catalog.js'
import { isRefusal, token } from '../classes.js'
import { append, fill, h, say, svg } from '../dom.js'
import { explainPanel } from '../explain.js'
import { isFrozen } from '../freshness.js'
import { duration, full, share } from '../numbers.js'
import { begun, dense, nothingReceived, refusals, sentence, sum } from '../overview.js'
import { bars, empty, panel } from '../panel.js'
import { latest, onMoment } from '../pulse.js'
import { iso } from '../range.js'
import * as rangebar from '../rangebar.js'
import { question, rowsHref } from '../rows.js'
import { isActive, line, ranked } from '../severity.js'
import { setPatterns, patterns } from '../theme.js'
import { clock } from '../times.js'

/** @typedef {import('../shapes').Overview} Overview */

const INCIDENTS_MAX = 5
const REFRESH_MS = 15_000

/** @returns {import('../shapes').Page} */
export function open() {
  const heading = h('h1', { tabindex: '-1' })
  const second = h('p', { class: 'lead' })
  const incidents = h('div', { class: 'incidents' })
  const filters = h('p', { class: 'filters', hidden: true })
  const legend = h('div', { class: 'legend', role: 'group', 'aria-label': 'Cause classes' })
  const chartSlot = h('div', { class: 'chart-slot' }, bars('chart'))
  const flowSlot = h('div')
  const health = h('p', { class: 'health' })

  /** @type {Overview | null} */
  let shown = null
  /** @type {Overview | null} */
  let waiting = null
  /** @type {typeof import('../pictures.js') | null} */
  let pictures = null
  /** @type {ReturnType<typeof import('../chart.js').figure> | null} */
  let chart = null
  /** @type {{root: HTMLElement, dispose: () => void} | null} */
  let flow = null
  let flowAt = 0
  let yMax = 0
  let hovering = false
  let handOnList = false
  let view = ''

  const classes = () => (param('class') ? new Set((param('class') ?? '').split(',')) : null)
  const isStream = () => rangebar.current().from === '-1h' && rangebar.current().to === null
  const slice = () => {
    const { from, to, live } = rangebar.span()
    const since = ranked((shown?.incidents ?? []).filter((incident) => incident.status === 'open'))[0]?.since
    const start = live && since ? Math.max(from, Date.parse(since)) : from
    return { from: start < to ? start : from, to, tenant: param('tenant'), cause: param('cause'), live }
  }

  const patternSwitch = h('button', { type: 'button', 'aria-pressed': String(patterns()), onclick: () => {
    setPatterns(!patterns())
    patternSwitch.setAttribute('aria-pressed', String(patterns()))
  } }, 'Patterns')

  const main = panel({
    what: 'the refusals', size: 'chart',
    skeleton: () => h('div', null, h('div', { class: 'skeleton chart' })),
    load: async (signal) => {
      const moment = latest()
      if (isStream() && moment?.overview) return moment.overview
      const { from, to } = rangebar.span()
      return /** @type {Overview} */ (await get(href('/v1/overview', { from: iso(from), to: iso(to), tenant: param('tenant') }), { signal }))
    },
    show: (data) => display(data),
    onFail: () => {
      if (!shown) say(heading, 'Whether anything is wrong is not known.')
    },
  })
  const explain = explainPanel(slice)
  const split = h('div', { class: 'split' }, chartSlot, legend)

  const root = h('div', { class: 'page now' },
    h('div', { class: 'sentence' }, heading, second), filters, incidents,
    h('section', { class: 'panel', 'aria-labelledby': 'by-class' }, h('h2', { id: 'by-class', class: 'unseen' }, 'Refusals by cause class'), main.root),
    h('div', { class: 'columns' }, explain.root,
      h('section', { class: 'panel', 'aria-labelledby': 'flow' }, h('header', null, h('h2', { id: 'flow' }, 'Who said no → class → tenant')), flowSlot)),
    health)

  incidents.addEventListener('pointerenter', () => { handOnList = true })
  incidents.addEventListener('pointerleave', () => { handOnList = false; drawIncidents() })

  /** @param {Overview} data */
  function display(data) {
    if (isFrozen() || hovering || hasSelection()) {
      waiting = data
      return
    }
    waiting = null
    shown = data
    if (split.parentNode !== main.body) fill(main.body, split)
    const { live } = rangebar.span()
    const { first, second: more } = sentence(data, live)
    say(heading, first)
    say(second, more)
    document.title = `${openCount(data) > 0 ? `${openCount(data)} open` : 'Now'} · Claviger`
    drawFilters()
    if (!handOnList && !incidents.contains(document.activeElement)) drawIncidents()
    else noteNew()
    drawChart(data)
    drawLegend(data)
    drawFlow(data)
    drawHealth(data)
  }

  const openCount = (/** @type {Overview} */ data) => data.incidents.filter(isActive).length
  const hasSelection = () => {
    const selection = getSelection()
    return Boolean(selection && !selection.isCollapsed && root.contains(selection.anchorNode))
  }

  function drawFilters() {
    const chips = [['tenant', param('tenant')], ['class', param('class')], ['cause', param('cause')]].filter(([, value]) => value)
    filters.hidden = chips.length === 0
    fill(filters, chips.map(([name, value]) => h('button', { type: 'button', class: 'filter', title: 'Remove this filter', onclick: () => patch({ [/** @type {string} */ (name)]: null }) }, `${name} ${name === 'class' ? (value ?? '').split(',').map(causeClass).join(', ') : value} ×`)))
  }

  function drawIncidents() {
    if (!shown) return
    const list = ranked(shown.incidents.filter(isActive)).slice(0, INCIDENTS_MAX)
    fill(incidents, list.map(line), openCount(shown) > INCIDENTS_MAX ? h('a', { class: 'all', href: '/incidents' }, `All ${openCount(shown)} open incidents`) : null)
  }

  /** New lines wait: nothing moves under the hand. */
  function noteNew() {
    const seen = new Set([...incidents.querySelectorAll('[data-id]')].map((node) => node.getAttribute('data-id')))
    const fresh = (shown?.incidents ?? []).filter((incident) => incident.status === 'open' && !seen.has(incident.id)).length
    incidents.querySelector('.new')?.remove()
    if (fresh > 0) append(incidents, [h('button', { type: 'button', class: 'link new', onclick: drawIncidents }, `${fresh} new`)])
  }

  /** @param {Overview} data */
  function drawChart(data) {
    const only = classes()
    const total = sum(data.requests)
    const nothing = total === 0 ? empty('No requests received in this range. ', nothingReceived(data, rangebar.span().live, Date.now()))
      : refusals(data, 0, data.buckets.length, null) + sum(dense(data)[0].counts) === 0 ? empty(`0 refusals in this range. ${full(total)} requests seen.`)
        : only && !dense(data).some((series) => only.has(series.class) && sum(series.counts) > 0) ? filteredOut() : null
    if (nothing) {
      chart?.dispose()
      chart = null
      fill(chartSlot, nothing)
      return
    }
    const now = [rangebar.current().from, rangebar.current().to, param('class'), param('tenant')].join(' ')
    if (now !== view) {
      view = now
      yMax = 0
    }
    if (!pictures) return
    yMax = pictures.ceiling(data, only, yMax)
    const drawn = begun(data)
    const picture = pictures.stack({ data: drawn.data, since: drawn.since, markers: data.markers.filter((marker) => marker.kind !== 'incident'), incidents: ranked(data.incidents.filter((incident) => incident.status === 'open')), only, yMax, tenant: param('tenant') })
    if (chart) chart.update(picture)
    else {
      chart = pictures.figure(picture, {
        tools: patternSwitch,
        onSelect: (from, to) => patch({ from: iso(from), to: iso(to) }),
        onClick: ({ seriesId, data: point }) => {
          if (!point?.value || !shown) return
          const half = (shown.bucket_s * 1000) / 2
          go(sqlHref(question({ from: point.value[0] - half, to: point.value[0] + half, class: seriesId, tenant: param('tenant') })))
        },
        onHover: (inside) => {
          hovering = inside
          if (!inside && waiting) display(waiting)
        },
      })
      fill(chartSlot, chart.root)
    }
  }

  function filteredOut() {
    const parts = [param('tenant') ? `tenant ${param('tenant')}` : '', ...[...(classes() ?? [])].map((code) => causeClass(code).toLowerCase())].filter(Boolean)
    return empty(`Nothing matches ${parts.join(' + ')}. Remove a filter: `,
      param('tenant') ? h('button', { type: 'button', class: 'filter', onclick: () => patch({ tenant: null }) }, `${param('tenant')} ×`) : null, ' ',
      param('class') ? h('button', { type: 'button', class: 'filter', onclick: () => patch({ class: null }) }, `${parts.at(-1)} ×`) : null)
  }

  /** @param {Overview} data */
  function drawLegend(data) {
    const only = classes()
    const { from, to } = rangebar.span()
    const focused = legend.contains(document.activeElement) ? document.activeElement?.getAttribute('data-class') : null
    fill(legend, dense(data).map((series, index) => {
      const total = sum(series.counts)
      const on = !only || only.has(series.class)
      if (total === 0 && !only?.has(series.class)) return null
      return h('div', { class: 'legend-row' },
        h('button', { type: 'button', 'aria-pressed': String(on), 'data-class': series.class, title: `Show or hide (${index + 1})`, onclick: () => toggle(series.class) }, swatch(series.class), h('span', null, causeClass(series.class))),
        spark(series.counts, series.class),
        h('a', { class: 'number', href: rowsHref({ from, to, class: series.class, tenant: param('tenant') }), title: `${full(total)} requests: show the rows` }, full(total)))
    }).toReversed())
    if (focused) /** @type {HTMLElement | null} */ (legend.querySelector(`[data-class="${focused}"]`))?.focus()
  }

  /** @param {string} code */
  function toggle(code) {
    const all = dense(/** @type {Overview} */ (shown)).filter((series) => sum(series.counts) > 0).map((series) => series.class)
    const now = classes() ?? new Set(all)
    if (!now.delete(code)) now.add(code)
    const whole = all.every((one) => now.has(one))
    patch({ class: whole || now.size === 0 ? null : [...now].join(',') }, { replace: true })
  }

  /** @param {Overview} data */
  function drawFlow(data) {
    // The picture of the flow stays while it is looked at, and is made anew at most every 15 s.
    if (flow && Date.now() - flowAt < REFRESH_MS && isStream()) return
    if (!pictures) return
    flowAt = Date.now()
    flow?.dispose()
    const links = data.flow.filter((link) => isRefusal(link.class))
    flow = links.length === 0 ? { root: empty('Nobody was refused.'), dispose: () => {} } : pictures.flowOf(links, rangebar.span())
    fill(flowSlot, flow.root)
  }

  /** @param {Overview} data */
  function drawHealth(data) {
    const { ingest } = data
    const all = sum(data.requests)
    const undecided = sum(dense(data).find((series) => series.class === token('none'))?.counts ?? [])
    const parts = [
      ingest.behind_ms === null ? 'No ingest yet' : `Ingest ${duration(Math.max(1000, Math.round(ingest.behind_ms / 1000) * 1000))} behind`,
      h('a', { href: sqlHref('select ingested_at, topic, reason, detail, excerpt\nfrom rejects\norder by ingested_at desc\nlimit 500') }, `${full(ingest.rejects)} rejected`),
      ingest.snapshot_age_s === null ? 'no identity snapshot' : `snapshot ${ingest.snapshot_age_s < 1 ? 'just read' : `${duration(ingest.snapshot_age_s * 1000)} old`}`,
      `${share(undecided, all)} undecidable`,
    ]
    if (ingest.last_event_at) parts.push(`last request ${clock(ingest.last_event_at, { to: 'second' })}`)
    fill(health, parts.map((part, index) => [index > 0 ? ' · ' : '', part]))
  }

  const leaveMoments = onMoment((moment) => {
    if (moment.overview && isStream()) display(moment.overview)
  })
  const again = setInterval(() => {
    if (!isStream() && rangebar.span().live && !document.hidden && !isFrozen()) main.reload()
  }, REFRESH_MS)
  const thawed = () => {
    if (!isFrozen() && waiting) display(waiting)
  }
  const relabel = () => shown && display(shown)
  document.addEventListener('freeze', thawed)
  document.addEventListener('catalog', relabel)
  say(heading, 'Reading…')
  main.reload()
  explain.reload()
  void import('../pictures.js').then((found) => {
    pictures = found
    if (shown) display(shown)
  })

  return {
    title: 'Now', root,
    refresh() {
      flowAt = 0
      main.reload()
      explain.reload()
    },
    leave() {
      leaveMoments()
      clearInterval(again)
      document.removeEventListener('freeze', thawed)
      document.removeEventListener('catalog', relabel)
      main.stop()
      explain.stop()
      chart?.dispose()
      flow?.dispose()
    },
    keys: [
      { key: 'i', does: 'First incident', run: () => incidents.querySelector('a')?.focus() },
      { key: 'c', does: 'Walk through the chart', run: () => chart?.slider.focus() },
      ...Array.from({ length: 9 }, (_, index) => ({
        key: String(index + 1), does: index === 0 ? '1–9: show or hide a class' : '',
        run: () => shown && toggle(dense(shown)[index].class),
      })),
      { key: '0', does: 'All classes', run: () => patch({ class: null }, { replace: true }) },
    ],
  }
}

/** The last buckets of one class, as bars. @param {number[]} counts @param {string} name */
function spark(counts, name) {
  const last = counts.slice(-30)
  const most = Math.max(1, ...last)
  return svg('svg', { class: 'spark', viewBox: `0 0 ${last.length * 2} 16`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    last.map((count, index) => (count === 0 ? null : svg('rect', { class: `f-${name}`, x: index * 2, width: 1.6, y: 16 - Math.max(1, (16 * count) / most), height: Math.max(1, (16 * count) / most) }))))
}

