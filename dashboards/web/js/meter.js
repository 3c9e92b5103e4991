// A thin bar whose length is a share, beside the number that says it.

import { h } from './dom.js'

/** @param {number} part @param {number} whole @param {string} [name] a class for its colour */
export function meter(part, whole, name) {
  const inner = h('span', name ? { class: name } : null)
  inner.style.setProperty('inline-size', `${whole > 0 ? Math.min(100, (100 * part) / whole) : 0}%`)
  return h('span', { class: 'meter', 'aria-hidden': 'true' }, inner)
}
