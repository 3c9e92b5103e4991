// From an address to a page: which module shows it, and what happens when the address, the session or a key changes.

import { regions } from './announce.js'
import { path } from './address.js'
import { catalog } from './catalog.js'
import { append, copy, fill, h } from './dom.js'
import * as freshness from './freshness.js'
import * as header from './header.js'
import * as keys from './keys.js'
import * as pulse from './pulse.js'
import * as rangebar from './rangebar.js'
import { go } from './address.js'
import { signInPanel, whoami } from './session.js'
import { inUtc, setUtc } from './times.js'

/** @typedef {import('./shapes').Page} Page */

/** Path, its module, and the range it has when the address names none; null where a page has no range. */
const ROUTES = /** @type {[RegExp, () => Promise<{open: () => Page}>, string | null][]} */ ([
  [/^\/(now)?$/, () => import('./pages/now.js'), '-1h'],
  [/^\/diagnose(\/.*)?$/, () => import('./pages/diagnose.js'), null],
  [/^\/incidents\/[^/]+$/, () => import('./pages/incident.js'), null],
  [/^\/incidents\/?$/, () => import('./pages/incidents.js'), null],
  [/^\/entity\/[^/]+\/.+$/, () => import('./pages/entity.js'), '-24h'],
  [/^\/entity\/?$/, () => import('./pages/entities.js'), '-24h'],
  [/^\/reports\/[^/]+$/, () => import('./pages/report.js'), null],
  [/^\/reports\/?$/, () => import('./pages/reports.js'), null],
  [/^\/sql$/, () => import('./pages/sql.js'), null],
  [/^\/audit$/, () => import('./pages/audit.js'), null],
])

const main = /** @type {HTMLElement} */ (document.getElementById('main'))
const live = h('div', { class: 'live-lines' }, freshness.identityLine)
/** @type {Page | null} */
let page = null
let shownPath = ''
let opening = 0
let signedOut = false

async function show() {
  const here = path()
  header.mark(here)
  pulse.follows()
  rangebar.draw()
  if (here === shownPath && page) {
    page.refresh?.()
    return
  }
  const first = shownPath === ''
  shownPath = here
  opening += 1
  const mine = opening
  leave()
  main.setAttribute('aria-busy', 'true')
  const route = ROUTES.find(([shape]) => shape.test(here))
  header.showRange(route?.[2] !== null && route !== undefined)
  if (route?.[2]) rangebar.setDefault(route[2])
  const opened = route ? (await route[1]()).open() : nowhere()
  if (mine !== opening || signedOut) return opened.leave?.()
  page = opened
  main.removeAttribute('aria-busy')
  document.title = `${page.title} · Claviger`
  fill(main, page.root)
  keys.setPage(page.keys ?? [])
  if (!first) focusHeading()
  window.scrollTo(0, 0)
}

function leave() {
  page?.leave?.()
  page = null
  keys.setPage([])
  freshness.thaw()
}

function focusHeading() {
  const heading = main.querySelector('h1')
  ;(heading ?? main).focus({ preventScroll: true })
}

/** @returns {Page} */
function nowhere() {
  return { title: 'No such page', root: h('div', null, h('h1', { tabindex: '-1' }, 'There is no such page.'), h('p', null, h('a', { href: '/' }, 'Now'), ' shows whether anything is wrong.')) }
}

/** The page makes room for the way in; the address stays. */
function askForToken() {
  if (signedOut) return
  signedOut = true
  leave()
  pulse.stop()
  document.title = 'Sign in · Claviger'
  main.removeAttribute('aria-busy')
  fill(main, signInPanel(() => {
    signedOut = false
    shownPath = ''
    begin()
  }))
  main.querySelector('input')?.focus()
}

/** Links of ours open without a reload. @param {MouseEvent} event */
function clicked(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
  const link = /** @type {Element} */ (event.target).closest('a')
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
  if (/^\/(v1|assets|metrics|live|ready)(\/|$)/.test(link.pathname) || link.getAttribute('href')?.startsWith('#')) return
  event.preventDefault()
  go(link.pathname + link.search + link.hash)
}

function begin() {
  catalog().catch(() => {
    // Each panel says so itself; without the catalog codes stand where labels would.
  })
  whoami().catch(() => {})
  pulse.start()
  void show()
}

keys.setCommon([
  { key: '/', does: 'Find', run: header.focusFind },
  { key: 'Control+k', does: 'Find', run: header.focusFind },
  { key: 'g', does: 'then n d i e r s a: go to a page', run: () => {} },
  { key: '.', does: 'Freeze, and resume', run: freshness.toggleFreeze },
  { key: 'u', does: 'UTC or local times', run: () => setUtc(!inUtc()) },
  { key: 'y', does: 'Copy a link to exactly this', run: () => void copyLink() },
  { key: '[', does: 'Earlier', run: () => rangebar.move(-1) },
  { key: ']', does: 'Later', run: () => rangebar.move(1) },
  { key: '-', does: 'Wider range', run: () => rangebar.scale(-1) },
  { key: '+', does: 'Narrower range', run: () => rangebar.scale(1) },
  { key: '?', does: 'This list', run: header.showKeys },
])
keys.setDestinations(Object.fromEntries(header.PLACES.map((place) => [place.key, () => go(place.path)])))

async function copyLink() {
  const silent = h('button', { type: 'button' })
  await copy(rangebar.frozenLink(), silent)
  regions[0].textContent = 'Link copied.'
}

header.build(/** @type {HTMLElement} */ (document.getElementById('header')))
append(document.body, [regions])
main.before(live)
keys.listen()
freshness.ticking()
addEventListener('popstate', () => document.dispatchEvent(new CustomEvent('address')))
document.addEventListener('address', () => void show())
document.addEventListener('zone', () => {
  rangebar.draw()
  page?.refresh?.()
})
document.addEventListener('signed-out', askForToken)
document.addEventListener('click', clicked)
begin()
