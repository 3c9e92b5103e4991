// Incidents: what needs a person? Sorted by severity, then by who is hit; frozen while it is read.

import { go, href, incidentHref, param, patch } from '../address.js'
import { get } from '../api.js'
import { fill, h, say } from '../dom.js'
import { empty, panel } from '../panel.js'
import { onIncident } from '../pulse.js'
import { current } from '../session.js'
import { line, ranked, titleOf } from '../severity.js'
import { when } from '../times.js'
import { act, silenceDialog, noteDialog, feedbackDialog } from './incident_acts.js'

/** @typedef {import('../shapes').Incident} Incident */

const STATES = ['open', 'acknowledged', 'silenced', 'resolved']

/** The state a list shows an incident under: a silence covers open and acknowledged. @param {Incident} incident */
const stateOf = (incident) => (incident.status !== 'resolved' && incident.silenced_until && Date.parse(incident.silenced_until) > Date.now() ? 'silenced' : incident.status)

/** @returns {import('../shapes').Page} */
export function open() {
  const heading = h('h1', { tabindex: '-1' }, 'Incidents')
  const tabs = h('div', { class: 'segments', role: 'group', 'aria-label': 'State' })
  const fresh = h('p', { class: 'fresh', hidden: true })
  const tenant = h('input', { id: 'tenant', name: 'tenant', value: param('tenant') ?? '', autocomplete: 'off', spellcheck: 'false', onchange: () => patch({ tenant: tenant.value.trim() || null }) })
  /** @type {Incident[]} */
  let all = []
  /** @type {Map<string, Incident>} */
  const news = new Map()
  const state = () => (STATES.includes(param('state') ?? '') ? /** @type {string} */ (param('state')) : 'open')

  const list = panel({
    what: 'the incidents',
    load: (signal) => /** @type {Promise<Incident[] | {incidents: Incident[]}>} */ (get(href('/v1/incidents', { tenant: param('tenant') }), { signal })),
    show: (found, body) => {
      all = Array.isArray(found) ? found : found.incidents
      news.clear()
      draw(body)
    },
  })
  const root = h('div', { class: 'page' }, heading, h('div', { class: 'bar' }, tabs, h('label', { for: 'tenant' }, 'Tenant'), tenant), fresh, list.root)

  /** @param {HTMLElement} body */
  function draw(body) {
    const counts = Object.fromEntries(STATES.map((name) => [name, all.filter((incident) => stateOf(incident) === name).length]))
    const mine = all.filter((incident) => incident.status === 'acknowledged' && incident.acknowledged_by === current()?.name).length
    const last = all.filter((incident) => incident.status === 'resolved').sort((a, b) => Date.parse(b.last_at) - Date.parse(a.last_at))[0]
    const open_ = counts.open + counts.acknowledged
    say(heading, open_ > 0 ? `${open_} open${mine > 0 ? `, ${mine} yours` : counts.acknowledged > 0 ? `, ${counts.acknowledged} acknowledged` : ', nobody on ' + (open_ === 1 ? 'it' : 'them')}.`
      : last ? `Nothing open. Last: ${titleOf(last)}, resolved ${when(last.last_at)}.` : 'Nothing open.')
    document.title = `${open_ > 0 ? `${open_} open` : 'Incidents'} · Claviger`
    fill(tabs, STATES.map((name) => h('a', { href: href('/incidents', { state: name, tenant: param('tenant') }), 'aria-current': state() === name ? 'true' : null, class: 'segment' }, `${name.charAt(0).toUpperCase()}${name.slice(1)} `, h('span', { class: 'count' }, counts[name]))))
    const shown = ranked(all.filter((incident) => stateOf(incident) === state()))
    fill(body, shown.length > 0 ? h('div', { class: 'incidents rows' }, shown.map(line))
      : empty(state() === 'open' ? 'Nothing here needs a person.' : `Nothing ${state()}.`))
    drawNews()
  }

  function drawNews() {
    fresh.hidden = news.size === 0
    fill(fresh, news.size > 0 ? h('button', { type: 'button', class: 'link', onclick: refresh }, `${news.size} new, press r`) : null)
  }

  function refresh() {
    news.clear()
    drawNews()
    list.reload()
  }

  /** @param {1 | -1} step */
  function move(step) {
    const lines = /** @type {HTMLElement[]} */ ([...list.root.querySelectorAll('a.incident')])
    const at = lines.indexOf(/** @type {HTMLElement} */ (document.activeElement))
    lines[at < 0 ? 0 : Math.min(lines.length - 1, Math.max(0, at + step))]?.focus()
  }

  const focused = () => all.find((incident) => incident.id === document.activeElement?.getAttribute('data-id'))
  const leaveIncidents = onIncident((incident) => {
    const known = all.find((one) => one.id === incident.id)
    if (known && known.status === incident.status) return
    news.set(incident.id, incident)
    drawNews()
  })

  list.reload()
  return {
    title: 'Incidents', root,
    refresh: () => (all.length > 0 && tenant.value === (param('tenant') ?? '') ? draw(list.body) : list.reload()),
    leave() {
      leaveIncidents()
      list.stop()
    },
    keys: [
      { key: 'j', does: 'Next row', run: () => move(1) },
      { key: 'k', does: 'Previous row', run: () => move(-1) },
      { key: 'Enter', does: 'Open', run: () => focused() && go(incidentHref(/** @type {Incident} */ (focused()).id)) },
      { key: 'r', does: 'Show what is new', run: refresh },
      { key: 'a', does: 'Acknowledge', run: () => focused() && void act(/** @type {Incident} */ (focused()), 'ack', {}).then(refresh) },
      { key: 's', does: 'Silence…', run: () => focused() && silenceDialog(/** @type {Incident} */ (focused()), refresh) },
      { key: 'n', does: 'Add a note', run: () => focused() && noteDialog(/** @type {Incident} */ (focused()), refresh) },
      { key: 'f', does: 'Was it a real problem?', run: () => focused() && feedbackDialog(/** @type {Incident} */ (focused()), refresh) },
      { key: 'Escape', does: 'Back', run: () => go('/') },
    ],
  }
}

