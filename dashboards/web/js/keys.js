// Single keys. Dead inside inputs and dialogs, and switched off in the menu for whoever speaks to the machine (WCAG 2.1.4).

import { read, write } from './storage.js'

/** @typedef {import('./shapes').Key} Key */

/** @type {Key[]} */
let common = []
/** @type {Key[]} */
let ofPage = []
/** Set after `g`, for a second and a half. */
let goingUntil = 0
/** @type {Record<string, () => void>} */
let destinations = {}

export const enabled = () => read('keys') !== 'off'
/** @param {boolean} on */
export const setEnabled = (on) => write('keys', on ? null : 'off')

/** @param {Key[]} keys */
export function setCommon(keys) {
  common = keys
}
/** @param {Key[]} keys */
export function setPage(keys) {
  ofPage = keys
}
/** What follows `g`. @param {Record<string, () => void>} places */
export function setDestinations(places) {
  destinations = places
}
export const list = () => [...ofPage.map((key) => ({ ...key, group: 'On this page' })), ...common.map((key) => ({ group: 'Everywhere', ...key }))]

/** @param {EventTarget | null} target */
function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable || target.closest('dialog, .editor')) return true
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'button', 'range', 'submit'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (event.defaultPrevented || event.isComposing) return
  const inner = /** @type {EventTarget | null} */ (event.composedPath()[0] ?? event.target)
  const withControl = event.ctrlKey || event.metaKey
  const name = (withControl ? 'Control+' : '') + event.key
  const match = [...ofPage, ...common].find((key) => key.key === name)
  if (withControl) {
    if (match) run(match, event)
    return
  }
  if (event.altKey || isTyping(inner) || isTyping(event.target) || (!enabled() && event.key !== 'Escape')) return
  if (Date.now() < goingUntil && destinations[event.key]) {
    goingUntil = 0
    event.preventDefault()
    destinations[event.key]()
    return
  }
  if (event.key === 'g') {
    goingUntil = Date.now() + 1500
    return
  }
  // Enter and Space belong to what has the focus.
  if (match && !(event.key === 'Enter' && inner instanceof HTMLElement && inner.matches('a, button, summary, input'))) run(match, event)
}

/** @param {Key} key @param {KeyboardEvent} event */
function run(key, event) {
  event.preventDefault()
  key.run(event)
}

export const listen = () => document.addEventListener('keydown', pressed)
