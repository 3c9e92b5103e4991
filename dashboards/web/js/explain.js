// What explains a range: per dimension the value whose share moved most, before beside now. Shown at once, without a
// selection: a comparison that waits for a box to be drawn is never seen.

import { send } from './api.js'
import { cause } from './catalog.js'
import { h, hostile } from './dom.js'
import { meter } from './meter.js'
import { full, share } from './numbers.js'
import { empty, panel } from './panel.js'
import { iso } from './range.js'
import { rowsHref } from './rows.js'
import { clock, when } from './times.js'

const DIMENSIONS = /** @type {Record<string, {label: string, slice?: string}>} */ ({
  tenant: { label: 'tenant', slice: 'tenant' }, principal: { label: 'user', slice: 'principal' }, user: { label: 'user', slice: 'principal' },
  key: { label: 'key', slice: 'key' }, route: { label: 'route', slice: 'route' }, gateway: { label: 'gateway' },
  network: { label: 'network', slice: 'network' }, agent: { label: 'agent', slice: 'agent' }, cause: { label: 'cause', slice: 'cause' },
})

/** @param {() => {from: number, to: number, tenant?: string | null, cause?: string | null, live?: boolean}} slice */
export function explainPanel(slice) {
  return panel({
    what: 'what explains this range',
    heading: 'What explains it',
    load: (signal) => {
      const { from, to, tenant, cause: code } = slice()
      return /** @type {Promise<import('./shapes').Explanation>} */ (send('/v1/explain', { from: iso(from), to: iso(to), ...(tenant ? { tenant } : {}), ...(code ? { cause: code } : {}) }, { signal }))
    },
    show: (found, body) => body.replaceChildren(explained(found, slice())),
  })
}

/** @param {import('./shapes').Explanation} found @param {{from: number, to: number, live?: boolean}} span */
export function explained(found, span) {
  const rows = found.dimensions.map((one) => ({ dimension: one.dimension, value: one.values[0] })).filter((row) => row.value && row.value.count_now > 0)
  if (rows.length === 0) return empty('Nothing moved: every share is as before.')
  const before = Math.max(...found.dimensions.map((one) => one.values.reduce((all, value) => all + value.count_before, 0)))
  return h('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': 'Shares by dimension' },
    h('table', { class: 'explain' },
      h('caption', null, `Share of refusals ${when(span.from)}–${span.live ? 'now' : clock(span.to)}, beside as long before${before === 0 ? ', when nothing was refused' : ''}`),
      h('thead', null, h('tr', null, ['What', 'Moved most', 'Now', 'Before'].map((name, index) => h('th', { scope: 'col', class: index > 1 ? 'number' : null }, name)))),
      h('tbody', null, rows.map(({ dimension, value }) => {
        const { label, slice } = DIMENSIONS[dimension] ?? { label: dimension }
        const shown = dimension === 'cause' ? cause(value.value) : value.value === null ? h('span', { class: 'hint' }, `no ${label}`) : hostile(value.value)
        const link = slice && value.value ? h('a', { href: rowsHref({ ...span, [slice]: value.value }) }, shown) : shown
        return h('tr', null, h('th', { scope: 'row' }, label), h('td', null, link),
          h('td', { class: 'number', title: full(value.count_now) }, share(value.share_now, 1), meter(value.share_now, 1, 'now')),
          h('td', { class: 'number', title: full(value.count_before) }, share(value.share_before, 1), meter(value.share_before, 1, 'before')))
      }))))
}
