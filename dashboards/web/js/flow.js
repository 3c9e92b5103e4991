// Who said no → class → tenant. A Sankey of exactly three columns in our own order, so that live data does not reshuffle
// it; on a phone a nested list with bars.

import { figure, tip, tooltip } from './chart.js'
import { causeClass, deniedBy, swatch } from './catalog.js'
import { ORDER, token } from './classes.js'
import { h } from './dom.js'
import { meter } from './meter.js'
import { full, share, short } from './numbers.js'
import { rowsHref } from './rows.js'
import { table } from './table.js'

/** @typedef {{denied_by: string, class: string, tenant: string | null, others?: boolean, count: number}} Link */

const TENANTS_MAX = 7
const LINKS_MAX = 60

const OTHERS = 'other tenants'

/** @param {Link} link */
const tenantOf = (link) => link.tenant ?? (link.others ? OTHERS : 'no tenant')

/** Tenants beyond the seventh become one, with those that the service counted together already. @param {Link[]} flow */
export function bundled(flow) {
  const tenants = totals(flow, tenantOf).filter(([name]) => name !== OTHERS)
  const kept = new Set(tenants.slice(0, TENANTS_MAX).map(([name]) => name))
  const more = tenants.length - kept.size
  const others = more === 0 || flow.some((link) => tenantOf(link) === OTHERS) ? OTHERS : `${more} others`
  /** @type {Map<string, {who: string, class: string, tenant: string, count: number}>} */
  const links = new Map()
  for (const link of flow) {
    const tenant = tenantOf(link)
    const name = kept.has(tenant) ? tenant : others
    const key = JSON.stringify([link.denied_by, token(link.class), name])
    const before = links.get(key)
    links.set(key, { who: link.denied_by, class: token(link.class), tenant: name, count: (before?.count ?? 0) + link.count })
  }
  return [...links.values()].filter((link) => link.count > 0).sort((a, b) => b.count - a.count).slice(0, LINKS_MAX)
}

/** @template T @param {(T & {count: number})[]} list @param {(one: T) => string} by @returns {[string, number][]} */
function totals(list, by) {
  const sums = new Map()
  for (const one of list) sums.set(by(one), (sums.get(by(one)) ?? 0) + one.count)
  return [...sums].sort((a, b) => b[1] - a[1])
}

/** @param {Link[]} flow @param {{from: number, to: number}} span @returns {{root: HTMLElement, dispose: () => void}} */
export function flowOf(flow, span) {
  const links = bundled(flow)
  const all = links.reduce((sum, link) => sum + link.count, 0)
  if (matchMedia('(max-width: 639px)').matches) return { root: nested(links, all, span), dispose: () => {} }
  const top = links[0]
  const sentence = top ? `${full(all)} refusals. Most: ${deniedBy(top.who)}, ${causeClass(top.class).toLowerCase()}, ${top.tenant}.` : 'No refusals.'
  return figure({
    sentence,
    table: () => numbers(links, span),
    option: (ink) => ({
      tooltip: tooltip(ink, ({ data, dataType }) => (dataType === 'edge'
        ? tip(`${plain(data.source)} → ${plain(data.target)}`, [{ name: 'Requests', value: full(data.value) }, { name: 'Share', value: share(data.value, all) }])
        : tip(plain(data.name), [{ name: 'Requests', value: full(data.total) }, { name: 'Share', value: share(data.total, all) }])), { trigger: 'item' }),

      series: [{
        type: 'sankey', left: 2, right: Math.min(140, ink.width / 5), top: 8, bottom: 8, nodeWidth: 8, nodeGap: 12, draggable: false, layoutIterations: 0,
        emphasis: { focus: 'none' },
        labelLayout: { moveOverlap: 'shiftY' },
        label: { color: ink.ink, fontSize: 12, formatter: (/** @type {any} */ { data }) => `${plain(data.name)}  ${short(data.total)}` },
        lineStyle: { opacity: 0.28, curveness: 0.5 },
        data: nodes(links, ink),
        links: links.flatMap((link) => [
          { source: `1 ${link.who}`, target: `2 ${link.class}`, value: link.count, lineStyle: { color: ink.of(`c-${link.class}`) } },
          { source: `2 ${link.class}`, target: `3 ${link.tenant}`, value: link.count, lineStyle: { color: ink.of(`c-${link.class}`) } },
        ]).reduce(added, /** @type {any[]} */ ([])),
      }],
    }),
  }, { size: 'flow' })
}

/** Two links between the same nodes are one. @param {any[]} list @param {any} link */
function added(list, link) {
  const same = list.find((one) => one.source === link.source && one.target === link.target)
  if (same) same.value += link.value
  else list.push({ ...link })
  return list
}

/** Ids carry their column: a tenant called "gateway" would close a circle. @param {ReturnType<typeof bundled>} links @param {import('./chart.js').Ink} ink */
function nodes(links, ink) {
  const plainNode = (/** @type {number} */ depth) => (/** @type {[string, number]} */ [name, total]) => ({ name: `${depth + 1} ${name}`, depth, total, itemStyle: { color: ink.edge } })
  const classes = totals(links, (link) => link.class).sort((a, b) => ORDER.indexOf(a[0]) - ORDER.indexOf(b[0]))
  return [
    ...totals(links, (link) => link.who).map(plainNode(0)),
    ...classes.map(([name, total]) => ({ name: `2 ${name}`, depth: 1, total, itemStyle: { color: ink.of(`c-${name}`) } })),
    ...totals(links, (link) => link.tenant).sort((a, b) => Number(isOthers(a[0])) - Number(isOthers(b[0]))).map(plainNode(2)),
  ]
}

/** @param {string} name */
function plain(name) {
  const rest = name.slice(2)
  return name.startsWith('1') ? deniedBy(rest) : name.startsWith('2') ? causeClass(rest) : rest
}

/** @param {ReturnType<typeof bundled>} links @param {number} all @param {{from: number, to: number}} span */
function nested(links, all, span) {
  const group = totals(links, (link) => link.who)
  return h('ul', { class: 'nested' }, group.map(([who, total]) => h('li', null,
    h('p', null, h('b', null, deniedBy(who)), h('span', null, full(total))),
    h('ul', null, links.filter((link) => link.who === who).slice(0, 8).map((link) => h('li', null,
      h('a', { href: rowsHref({ ...span, class: link.class, deniedBy: who, tenant: named(link.tenant) }) },
        h('span', { class: 'tag' }, swatch(link.class), `${causeClass(link.class)} · ${link.tenant}`), h('span', null, full(link.count))),
      meter(link.count, all)))))))
}

/** A tenant that can stand in a question. @param {string} name */
const named = (name) => (name === 'no tenant' || isOthers(name) ? null : name)

/** @param {string} name */
const isOthers = (name) => name === OTHERS || / others$/.test(name)

/** @param {ReturnType<typeof bundled>} links @param {{from: number, to: number}} span */
const numbers = (links, span) => table({
  caption: 'Refusals by who said no, class and tenant', rows: links, sort: '-count',
  columns: [
    { key: 'who', label: 'Who said no', show: (who) => deniedBy(who) },
    { key: 'class', label: 'Class', show: (name) => h('span', { class: 'tag' }, swatch(name), causeClass(name)) },
    { key: 'tenant', label: 'Tenant' },
    { key: 'count', label: 'Refusals', numeric: true, show: (count, link) => h('a', { href: rowsHref({ ...span, class: link.class, deniedBy: link.who, tenant: named(link.tenant) }) }, full(count)) },
  ],
})
