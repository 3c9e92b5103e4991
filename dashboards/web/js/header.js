// The frame around every page: where one can go, the box that finds, the range, how fresh it is, the menu. On a phone
// the box and the range stand on top and four tabs at the bottom.

import { append, h, say } from './dom.js'
import { diagnoseHref, go } from './address.js'
import { copyLinkButton, control } from './rangebar.js'
import { open } from './dialog.js'
import * as freshness from './freshness.js'
import { enabled, list, setEnabled } from './keys.js'
import { openIncidents, onMoment } from './pulse.js'
import { current, signOut } from './session.js'
import { patterns, setPatterns, setTheme, theme } from './theme.js'
import { inUtc, setUtc, zoneName } from './times.js'
import { guess } from './find.js'
import { hand } from './handover.js'

export const PLACES = [
  { key: 'n', path: '/', name: 'Now' },
  { key: 'd', path: '/diagnose', name: 'Diagnose' },
  { key: 'i', path: '/incidents', name: 'Incidents' },
  { key: 'e', path: '/entity', name: 'Entity' },
  { key: 'r', path: '/reports', name: 'Reports' },
  { key: 's', path: '/sql', name: 'SQL' },
  { key: 'a', path: '/audit', name: 'Audit' },
]
const ON_PHONE = ['/', '/diagnose', '/incidents']

const count = h('span', { class: 'count' })
const input = h('input', { type: 'search', name: 'find', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', placeholder: 'Find an id, a user, a tenant', 'aria-label': 'Find an id, a user, a tenant, or paste a key', 'aria-keyshortcuts': '/' })
const links = PLACES.map((place) => h('a', { href: place.path, class: ON_PHONE.includes(place.path) ? null : 'rest' }, place.name, place.path === '/incidents' ? count : null))
const more = h('button', { type: 'button', class: 'more-tab', 'aria-haspopup': 'dialog', onclick: showMore }, 'More')
const rangeSlot = h('div', { class: 'range-slot' }, control)

/** @param {HTMLElement} root */
export function build(root) {
  input.addEventListener('input', () => input.classList.toggle('masked', guess(input.value)?.secret ?? false))
  append(root, [
    h('a', { class: 'wordmark', href: '/', 'aria-label': 'Claviger, to Now' }, 'Claviger'),
    h('nav', { 'aria-label': 'Pages' }, links, more),
    h('form', { class: 'find', role: 'search', onsubmit: find }, input, h('kbd', { 'aria-hidden': 'true' }, '/')),
    rangeSlot,
    freshness.label,
    h('button', { type: 'button', class: 'menu-button', 'aria-haspopup': 'dialog', onclick: showMenu }, 'Menu'),
  ])
  onMoment(showCount)
}

function showCount() {
  const incidents = openIncidents().length
  say(count, incidents > 0 ? ` ${incidents}` : '')
  count.setAttribute('aria-label', incidents > 0 ? `${incidents} open` : '')
  if (incidents === 0) count.removeAttribute('aria-label')
}

/** @param {boolean} has whether the page speaks of a range */
export function showRange(has) {
  rangeSlot.hidden = !has
}

export function focusFind() {
  input.focus()
  input.select()
}

/** @param {string} path */
export function mark(path) {
  for (const [index, place] of PLACES.entries()) {
    const here = place.path === '/' ? path === '/' || path === '/now' : path === place.path || path.startsWith(`${place.path}/`)
    if (here) links[index].setAttribute('aria-current', 'page')
    else links[index].removeAttribute('aria-current')
  }
}

/** A key goes from hand to hand, never through the address. @param {SubmitEvent} event */
function find(event) {
  event.preventDefault()
  const found = guess(input.value)
  if (!found) return
  input.value = ''
  input.classList.remove('masked')
  input.blur()
  if (found.kind === 'pasted') {
    hand(found.id)
    go('/diagnose')
  } else if (found.kind === 'auto') go(`/diagnose?find=${encodeURIComponent(found.id)}`)
  else go(diagnoseHref(found.kind, found.id))
}

function showMore() {
  const dialog = open('More', [
    h('nav', { 'aria-label': 'More pages', class: 'more-list' }, PLACES.filter((place) => !ON_PHONE.includes(place.path)).map((place) => h('a', { href: place.path, onclick: () => dialog.close() }, place.name))),
    menuBody(() => dialog.close()),
  ])
}

function showMenu() {
  const dialog = open('Menu', [menuBody(() => dialog.close())])
}

/** @param {() => void} close */
function menuBody(close) {
  const session = current()
  /** @param {string} legend @param {string} name @param {[string, string][]} options @param {string} chosen @param {(value: string) => void} choose */
  const choice = (legend, name, options, chosen, choose) => h('fieldset', null, h('legend', null, legend), h('div', { class: 'segments' }, options.map(([value, label]) => h('label', null,
    h('input', { type: 'radio', name, value, checked: value === chosen, onchange: () => choose(value) }), h('span', null, label)))))
  return h('div', { class: 'menu' },
    choice('Theme', 'theme', [['system', 'System'], ['light', 'Light'], ['dark', 'Dark']], theme(), setTheme),
    choice('Times', 'zone', [['local', inUtc() ? 'Local' : zoneName()], ['utc', 'UTC']], inUtc() ? 'utc' : 'local', (value) => setUtc(value === 'utc')),
    choice('Patterns in charts', 'patterns', [['off', 'Off'], ['on', 'On']], patterns() ? 'on' : 'off', (value) => setPatterns(value === 'on')),
    choice('Single-key shortcuts', 'keys', [['on', 'On'], ['off', 'Off']], enabled() ? 'on' : 'off', (value) => setEnabled(value === 'on')),
    h('div', { class: 'row' }, copyLinkButton(), h('button', { type: 'button', onclick: () => { close(); showKeys() } }, 'Shortcuts')),
    h('p', { class: 'hint' }, session ? `Signed in as ${session.name} (${session.proof}${session.tenant ? `, tenant ${session.tenant}` : ''}): ${session.scopes.join(', ')}.` : 'Not signed in.'),
    session && session.proof !== 'loopback' ? h('div', { class: 'row' }, h('button', { type: 'button', onclick: () => { close(); void signOut() } }, 'Sign out')) : null)
}

export function showKeys() {
  const groups = Map.groupBy(list(), (key) => key.group ?? '')
  open('Shortcuts', [[...groups].map(([name, keys]) => h('section', null, h('h3', null, name), h('dl', { class: 'keys' },
    keys.filter((key) => key.does).map((key) => h('div', null, h('dt', null, h('kbd', null, key.key.replace('Control+', 'Ctrl '))), h('dd', null, key.does)))))),
    h('p', { class: 'hint' }, 'Single keys are dead inside inputs. They can be switched off in the menu.')])
}

