// The live stream as the pages see it: followed once for the whole shell, for the tenant that the address names.

import { param } from './address.js'
import { alarm, happened } from './announce.js'
import * as freshness from './freshness.js'
import { follow } from './live.js'
import { isActive } from './severity.js'

/** @typedef {import('./live.js').Moment} Moment */
/** @typedef {import('./shapes').Incident} Incident */

/** @type {ReturnType<typeof follow> | null} */
let stream = null
/** @type {string | null} */
let tenant = null
/** @type {Set<(moment: Moment) => void>} */
const listeners = new Set()
/** @type {Set<(incident: Incident) => void>} */
const incidentListeners = new Set()
/** @type {Set<string>} */
const heard = new Set()

export const latest = () => stream?.now() ?? null
export const openIncidents = () => (latest()?.overview?.incidents ?? []).filter(isActive)

export function start() {
  stop()
  tenant = param('tenant')
  heard.clear()
  let first = true
  stream = follow({
    tenant,
    onMoment: (moment) => {
      freshness.show(moment)
      if (first && moment.overview) {
        for (const incident of moment.overview.incidents) heard.add(incident.id)
        first = false
      }
      for (const listener of listeners) listener(moment)
    },
    onIncident: (incident) => {
      announce(incident)
      for (const listener of incidentListeners) listener(incident)
    },
  })
}

export function stop() {
  stream?.leave()
  stream = null
}

/** Another tenant in the address is another stream. */
export function follows() {
  if (stream && param('tenant') !== tenant) start()
}

/** @param {Incident} incident */
function announce(incident) {
  if (incident.status !== 'open' || heard.has(incident.id)) return
  heard.add(incident.id)
  if (incident.severity === 'critical') alarm(`Critical incident opened: ${incident.title}`)
  else happened(`Incident opened: ${incident.title} (${incident.severity})`, (all) => `${all.length} incidents opened`)
}

/** @param {(moment: Moment) => void} listener @returns {() => void} */
export function onMoment(listener) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** @param {(incident: Incident) => void} listener @returns {() => void} */
export function onIncident(listener) {
  incidentListeners.add(listener)
  return () => incidentListeners.delete(listener)
}
