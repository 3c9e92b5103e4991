// Severity is shape, word and fill; status is a word. Incidents look the same on every page.

import { incidentHref } from './address.js'
import { capital, hostile, h } from './dom.js'
import { duration, full } from './numbers.js'
import { ago, when } from './times.js'

/** @typedef {import('./shapes').Incident} Incident */

const SHAPES = /** @type {Record<string, [string, string]>} */ ({
  critical: ['▲', 'critical'], high: ['△', 'high'], error: ['△', 'high'], medium: ['◇', 'medium'], warning: ['◇', 'medium'], low: ['○', 'low'], info: ['○', 'low'],
})
const WEIGHT = ['critical', 'high', 'error', 'medium', 'warning', 'low', 'info']

/** @param {string} severity */
export const shape = (severity) => SHAPES[severity]?.[0] ?? '○'

/** @param {string} severity */
export const chip = (severity) => h('span', { class: `chip ${SHAPES[severity]?.[1] ?? 'low'}` }, h('span', { 'aria-hidden': 'true' }, shape(severity)), ` ${severity}`)

/** Open or acknowledged: what a person may still have to look at. @param {Incident} incident */
export const isActive = (incident) => incident.status === 'open' || incident.status === 'acknowledged'

/** Worst first, then who is hit most. @param {Incident[]} list */
export const ranked = (list) => [...list].sort((a, b) => WEIGHT.indexOf(a.severity) - WEIGHT.indexOf(b.severity) || (b.failures ?? 0) - (a.failures ?? 0) || a.since.localeCompare(b.since))

/** @param {Incident} incident @param {number} [now] */
export const age = (incident, now = Date.now()) => duration((incident.status === 'resolved' ? Date.parse(incident.last_at) : now) - Date.parse(incident.since)).replace(/ \d+ s$/, '')

/** Nothing where it could not be counted, which is not zero, and where there is none of it: a theft fails at nothing.
 * @param {number | null} count @param {string} noun */
const amount = (count, noun) => h('span', { class: 'number' }, count === null || Number(count) === 0 ? null : [full(count), h('span', { class: 'unit' }, Number(count) === 1 ? ` ${noun}` : ` ${noun}s`)])

/** One line of a list. @param {Incident} incident */
export function line(incident) {
  return h('a', { class: 'incident', href: incidentHref(incident.id), 'data-id': incident.id },
    chip(incident.severity),
    h('span', { class: 'title' }, hostile(capital(incident.title))),
    h('span', { class: 'tenant' }, incident.tenant ? hostile(incident.tenant) : '–'),
    amount(incident.failures, 'failure'),
    amount(incident.keys, 'key'),
    h('time', { class: 'number', datetime: incident.since, title: `since ${when(incident.since, { to: 'second' })} (${ago(incident.since)})` }, age(incident)),
    status(incident))
}

/** @param {Incident} incident */
export function status(incident) {
  if (incident.status === 'silenced' || (incident.silenced_until && Date.parse(incident.silenced_until) > Date.now())) return h('span', { class: 'status' }, `silenced until ${when(incident.silenced_until)}`)
  if (incident.status === 'acknowledged') return h('span', { class: 'status' }, 'acknowledged', incident.acknowledged_by ? [' by ', hostile(incident.acknowledged_by)] : null)
  return h('span', { class: 'status' }, incident.status === 'open' ? 'nobody on it' : incident.status)
}
