// The range of time: presets, both ends, earlier and later, and the link to exactly this.

import { copy, fill, h, say } from './dom.js'
import { patch, range } from './address.js'
import { open } from './dialog.js'
import { duration } from './numbers.js'
import { frozen, isTime, PRESETS, resolve, shift, zoom } from './range.js'
import { clock, when, zoneName } from './times.js'

/** @type {string} what this page has when the address says nothing */
let otherwise = '-1h'

/** @param {string} text */
export function setDefault(text) {
  otherwise = text
  draw()
}

export const current = () => range(otherwise)
export const span = () => resolve(current(), Date.now())

const summary = h('span')
const button = h('button', { type: 'button', class: 'range', 'aria-haspopup': 'dialog', onclick: choose }, summary)
export const control = h('div', { class: 'range-bar' },
  h('button', { type: 'button', class: 'icon', title: 'Earlier ([)', 'aria-label': 'Earlier', onclick: () => move(-1) }, '‹'),
  button,
  h('button', { type: 'button', class: 'icon', title: 'Later (])', 'aria-label': 'Later', onclick: () => move(1) }, '›'))

/** @param {-1 | 1} direction */
export const move = (direction) => patch({ ...shift(span(), direction, Date.now()) })
/** @param {-1 | 1} direction */
export const scale = (direction) => patch({ ...zoom(current(), span(), direction, Date.now()) })

export function draw() {
  const { from, to } = current()
  const preset = to ? null : PRESETS.find((one) => one.from === from)
  const { from: start, to: end, live } = span()
  say(summary, preset ? `Last ${preset.label}` : live ? `Last ${duration(end - start)}` : `${when(start)} – ${new Date(start).toDateString() === new Date(end).toDateString() ? clock(end) : when(end)}`)
  button.title = `${zoneName()}: ${when(start, { to: 'second' })} to ${live ? 'now' : when(end, { to: 'second' })}`
}

/** @param {Record<string, string | null>} values */
const apply = (values) => patch(values)

function choose() {
  const { from, to } = span()
  const problem = h('p', { class: 'failure', role: 'alert' })
  const start = h('input', { id: 'range-from', value: current().from, autocomplete: 'off', spellcheck: 'false', placeholder: '-6h' })
  const end = h('input', { id: 'range-to', value: current().to ?? '', autocomplete: 'off', spellcheck: 'false', placeholder: 'now' })
  const form = h('form', { class: 'form', onsubmit: (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    const wrong = [start, end].find((input) => input.value.trim() !== '' && !isTime(input.value.trim()))
    if (wrong || start.value.trim() === '') {
      fill(problem, 'Not a time. Example: -6h or 2026-11-23T03:00Z')
      ;(wrong ?? start).focus()
      return
    }
    dialog.close()
    apply({ from: start.value.trim(), to: end.value.trim() || null })
  } },
  h('label', { for: 'range-from' }, 'From'), start, h('label', { for: 'range-to' }, 'To (empty: now)'), end, problem,
  h('div', { class: 'row' }, h('button', { type: 'submit', class: 'primary' }, 'Show')))
  const live = h('button', { type: 'button' }, 'Copy live link')
  live.addEventListener('click', () => copy(location.href, live))
  const dialog = open('Range', [
    h('div', { class: 'row presets' }, PRESETS.map((preset) => h('button', { type: 'button', 'aria-pressed': String(current().from === preset.from && !current().to), onclick: () => {
      dialog.close()
      apply({ from: preset.from, to: null })
    } }, preset.label))),
    form,
    h('p', { class: 'hint' }, `${zoneName()}: ${when(from, { to: 'second' })} to ${when(to, { to: 'second' })}`),
    h('div', { class: 'row' }, copyLinkButton(), live),
  ])
}

/** A link that says the same tomorrow: absolute times. */
export function frozenLink() {
  const url = new URL(location.href)
  for (const [name, value] of Object.entries(frozen(span()))) if (value) url.searchParams.set(name, value)
  return url.href.replaceAll('%3A', ':')
}

export function copyLinkButton() {
  const link = h('button', { type: 'button' }, 'Copy link')
  link.addEventListener('click', () => copy(frozenLink(), link))
  return link
}
