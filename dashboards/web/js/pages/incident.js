// One incident: who is hit and what to do stand above the evidence. On a phone the bar of acts takes the place of the tabs.

import { diagnoseHref, entityHref, go, parts, sqlHref } from '../address.js'
import { get } from '../api.js'
import { causeTag } from '../catalog.js'
import { capital, fill, h, hostile, id as shortId, say, withCode } from '../dom.js'
import { explainPanel } from '../explain.js'
import { complete, refusals, sum } from '../overview.js'
import { counted, full, odds, short } from '../numbers.js'
import { empty, panel } from '../panel.js'
import { onIncident } from '../pulse.js'
import { iso } from '../range.js'
import { age, chip, status } from '../severity.js'
import { facts } from '../table.js'
import { ago, clock, when } from '../times.js'
import { act, feedbackDialog, noteDialog, resolveDialog, silenceDialog } from './incident_acts.js'

/** @typedef {import('../shapes').IncidentPage} IncidentPage */

const HOUR = 3_600_000

/** @returns {import('../shapes').Page} */
export function open() {
  const name = parts()[1] ?? ''
  const heading = h('h1', { tabindex: '-1' }, 'Incident')
  const lead = h('p', { class: 'lead' })
  const acts = h('div', { class: 'acts', role: 'group', 'aria-label': 'Acts' })
  const said = h('p', { class: 'said', 'aria-live': 'polite' })
  /** @type {IncidentPage | null} */
  let shown = null
  /** @type {ReturnType<typeof import('../chart.js').figure> | null} */
  let chart = null
  let ackedHere = ''
  let perMinute = /** @type {number | null} */ (null)

  const page = panel({
    what: 'the incident',
    load: (signal) => /** @type {Promise<IncidentPage>} */ (get(`/v1/incidents/${encodeURIComponent(name)}`, { signal })),
    show: (found, body) => display(found, body),
  })
  const onset = () => Date.parse(shown?.since ?? '')
  const span = () => ({ from: onset() - HOUR, to: shown?.status === 'resolved' ? Date.parse(shown.last_at) + HOUR / 4 : Date.now(), tenant: shown?.tenant })
  const picture = panel({
    what: 'the requests around it', heading: 'Before and after', size: 'chart',
    load: async (signal) => {
      const { from, to } = span()
      const entity = shown?.entity
      if (!entity) throw new Error('the incident names no entity')
      const [pictures, data] = await Promise.all([import('../pictures.js'), /** @type {Promise<import('../shapes').Entity>} */ (get(`/v1/entities/${encodeURIComponent(kindOf(entity.kind))}/${encodeURIComponent(entity.id)}?from=${iso(from)}&to=${iso(to)}`, { signal }))])
      return { pictures, data }
    },
    show: ({ pictures, data }, body) => {
      const done = complete(data)
      const minutes = Math.max(1, Math.round(300 / data.bucket_s))
      perMinute = shown?.status === 'resolved' ? 0 : refusals(data, Math.max(0, done - minutes), done) / ((Math.min(minutes, done) * data.bucket_s) / 60 || 1)
      if (data.requests.every((count) => count === 0)) return fill(body, empty('No requests of it are stored for this time.'))
      chart?.dispose()
      const name = shown?.entity.id ?? ''
      // What was served says as much as what was refused where next to nothing was.
      chart = pictures.figure(refusals(data, 0, data.buckets.length) * 20 < sum(data.requests) ? pictures.lanes({ data, states: data.states, findings: data.findings, name })
        : pictures.stack({
          data, incidents: shown ? [shown] : [], what: `Refusals of ${name}`,
          markers: data.states.map((state) => ({ at: state.at, kind: 'identity_change', title: `${state.field}: ${state.from ?? '–'} → ${state.to ?? '–'}` })),
        }))
      fill(body, chart.root)
    },
  })
  /** What explains its own refusals; of one that is neither a tenant's nor of one cause, everybody's would be shown. */
  const explain = explainPanel(() => ({ ...span(), from: onset(), cause: shown?.cause }))
  const isExplained = () => Boolean(shown?.failures && (shown.tenant || shown.cause))
  explain.root.hidden = true
  picture.root.hidden = true

  const root = h('div', { class: 'page incident-page' }, heading, lead, acts, said, page.root)

  /** @param {IncidentPage} found @param {HTMLElement} body */
  function display(found, body) {
    const first = shown === null
    shown = found
    say(heading, capital(found.title))
    document.title = `${capital(found.title)} · Claviger`
    fill(lead, chip(found.severity), ' ', openWords(found), ' · ', status(found), found.cause ? [' · ', causeTag(found.cause, found.class)] : null)
    drawActs(found)
    fill(body,
      h('p', { class: 'hit' }, hit(found)),
      h('div', { class: 'two' }, runbook(found), evidence(found)),
      picture.root,
      h('div', { class: 'two' }, affected(found), isExplained() ? explain.root : deliveries(found)),
      isExplained() ? h('div', { class: 'two' }, deliveries(found), history(found)) : history(found))
    if (first) {
      explain.root.hidden = !isExplained()
      if (hasPage(found.entity.kind)) {
        picture.root.hidden = false
        picture.reload()
      }
      if (isExplained()) explain.reload()
    }
  }

  /** @param {IncidentPage} found */
  function drawActs(found) {
    const active = found.status !== 'resolved'
    const button = (/** @type {string} */ label, /** @type {() => void} */ run, kind = '') => h('button', { type: 'button', class: kind, onclick: run }, label)
    const silenced = found.silenced_until && Date.parse(found.silenced_until) > Date.now()
    fill(acts,
      active && found.status !== 'acknowledged' ? button('Acknowledge', acknowledge, 'primary') : null,
      found.status === 'acknowledged' && ackedHere ? h('span', { class: 'undo' }, `Acknowledged by you, ${clock(ackedHere)}. `, button('Undo', undo, 'link')) : null,
      found.status === 'acknowledged' && !ackedHere ? button('Give back', undo) : null,
      active && !silenced ? button('Silence…', () => silenceDialog(found, page.reload)) : null,
      silenced ? button('End silence', () => void act(found, 'unsilence').then((after) => after && page.reload())) : null,
      button('Note', () => noteDialog(found, page.reload)),
      active ? button('Resolve…', () => resolveDialog(found, page.reload, perMinute)) : null,
      h('span', { class: 'ask' }, 'Was this a real problem? ', button('Real problem', () => void feedback(false)), button('Not a problem', () => feedbackDialog(found, page.reload))))
  }

  async function acknowledge() {
    if (!shown) return
    const after = await act(shown, 'ack')
    if (after) ackedHere = new Date().toISOString()
    page.reload()
  }

  async function undo() {
    if (!shown) return
    const after = await act(shown, 'unack')
    if (after) ackedHere = ''
    page.reload()
  }

  /** @param {boolean} benign */
  async function feedback(benign) {
    if (!shown) return
    if (await act(shown, 'feedback', { benign })) {
      say(said, 'Noted: a real problem.')
      page.reload()
    }
  }

  const failed = (/** @type {any} */ { detail }) => {
    say(said, detail)
    if (/Nothing changed/.test(detail)) page.reload()
  }
  document.addEventListener('act-failed', failed)
  const leaveIncidents = onIncident((incident) => {
    if (shown && incident.id === shown.id && incident.version !== shown.version && !document.querySelector('dialog[open]')) page.reload()
  })
  page.reload()

  return {
    title: 'Incident', root,
    leave() {
      document.removeEventListener('act-failed', failed)
      leaveIncidents()
      page.stop()
      picture.stop()
      explain.stop()
      chart?.dispose()
    },
    keys: [
      { key: 'a', does: 'Acknowledge', run: () => void (shown && shown.status !== 'resolved' && shown.status !== 'acknowledged' ? acknowledge() : undefined) },
      { key: 's', does: 'Silence…', run: () => shown && silenceDialog(shown, page.reload) },
      { key: 'n', does: 'Add a note', run: () => shown && noteDialog(shown, page.reload) },
      { key: 'f', does: 'Was it a real problem?', run: () => shown && feedbackDialog(shown, page.reload) },
      { key: 'o', does: 'Diagnose', run: () => shown && go(diagnoseHref('incident', shown.id)) },
      { key: 'Escape', does: 'Back to the list', run: () => go('/incidents') },
    ],
  }

  /** @param {IncidentPage} found */
  function openWords(found) {
    if (found.status !== 'resolved') return `open ${age(found)}, since ${when(found.since)}`
    const end = found.history.findLast((one) => one.what === 'resolved')
    return end && !end.by ? `resolved by itself at ${when(end.at)}${end.note ? `: ${end.note}` : ''}` : `resolved ${when(end?.at ?? found.last_at)}${end?.by ? ` by ${end.by}` : ''}`
  }

  /** @param {IncidentPage} found */
  function hit(found) {
    const some = (/** @type {number | null} */ count, /** @type {string} */ noun) => (count === null || Number(count) === 0 ? null : counted(count, noun))
    return [some(found.failures, 'failure'), some(found.keys, 'key'), some(found.principals, 'user'), found.tenant ? `tenant ${found.tenant}` : null, `last ${when(found.last_at, { to: 'second' })} (${ago(found.last_at)})`]
      .filter(Boolean).join(' · ')
  }

  /** @param {IncidentPage} found */
  function runbook(found) {
    return h('section', { class: 'panel', 'aria-labelledby': 'runbook' }, h('header', null, h('h2', { id: 'runbook' }, 'What to do')),
      h('ol', { class: 'runbook' }, found.runbook.map((step) => h('li', null, withCode(step)))),
      found.done_when ? h('p', { class: 'done-when' }, h('b', null, 'Done when'), ' ', h('a', { href: sqlHref(found.done_when.sql) }, 'this query'), ` returns ${typeof found.done_when.expected === 'object' ? JSON.stringify(found.done_when.expected) : String(found.done_when.expected)}.`) : null,
      h('div', { class: 'row' }, h('a', { class: 'button', href: diagnoseHref('incident', found.id) }, 'Diagnose'), h('a', { class: 'button', href: sqlHref(found.requests) }, 'Its requests'), hasPage(found.entity.kind) ? h('a', { class: 'button', href: entityHref(kindOf(found.entity.kind), found.entity.id) }, 'Open entity') : null))
  }
}

/** The network that a source is, as the API's path calls it. @param {string} kind */
const kindOf = (kind) => (kind === 'source' ? 'network' : kind)

/** A gateway has no page of its own. @param {string} kind */
const hasPage = (kind) => ['key', 'principal', 'tenant', 'network', 'route'].includes(kindOf(kind))

/** @param {IncidentPage} found */
function evidence(found) {
  const why = found.explanation
  const amount = (/** @type {unknown} */ value) => (typeof value === 'number' ? short(Math.round(value * 100) / 100) : value === null || value === undefined ? '–' : String(value))
  const words = why ? [`expected ${amount(why.expected)}, saw ${amount(why.seen)}${why.unit ? ` ${why.unit}` : ''}`, why.probability === null || why.probability === undefined ? null : odds(why.probability), why.quiet_if ? `quiet if ${String(why.quiet_if)}` : null].filter(Boolean).join('; ') : ''
  return h('section', { class: 'panel', 'aria-labelledby': 'evidence' }, h('header', null, h('h2', { id: 'evidence' }, `Evidence ${found.evidence.length}`)),
    words ? h('p', null, capital(words), '.') : null,
    Date.parse(found.since) - Date.parse(found.judged_from) > HOUR ? h('p', { class: 'hint' }, `Judged by its day: what came since ${when(found.judged_from)}.`) : null,
    h('ul', { class: 'evidence' }, found.evidence.slice(0, 20).map((one) => h('li', null,
      one.severity ? [chip(String(one.severity)), ' '] : null, h('b', null, String(one.detector ?? '').replaceAll('_', ' ')), ' ', hostile(one.summary ?? ''),
      h('details', { class: 'proof' }, h('summary', null, 'facts'), facts('Facts', Object.entries(one).filter(([, value]) => value !== null && value !== '').map(([name, value]) => [name.replaceAll('_', ' '), value instanceof Object ? hostile(JSON.stringify(value)) : hostile(/_at$/.test(name) ? when(String(value), { to: 'second' }) : typeof value === 'number' ? full(value) : value)])))))))
}

/** @param {IncidentPage} found */
function affected(found) {
  const groups = Object.entries(found.affected).filter(([, list]) => list.length > 0)
  const kinds = /** @type {Record<string, string>} */ ({ keys: 'key', callers: 'network', routes: 'route', principals: 'principal', tenants: 'tenant', networks: 'network', users: 'principal' })
  return h('section', { class: 'panel', 'aria-labelledby': 'affected' }, h('header', null, h('h2', { id: 'affected' }, 'Affected')),
    groups.length === 0 ? empty('Nobody is named yet.') : groups.map(([name, list]) => h('div', { class: 'affected' }, h('h3', null, `${capital(name)} ${list.length}`), h('ul', null, list.slice(0, 12).map((one) => {
      const value = typeof one === 'object' && one !== null ? /** @type {any} */ (one) : { id: one }
      const id = String(value.id ?? value.value ?? value.key ?? value.network ?? value.route ?? '')
      const label = ['keys', 'callers', 'networks'].includes(name) ? shortId(value.label ?? id, 40) : hostile(value.label ?? id)
      return h('li', null, kinds[name] ? h('a', { href: entityHref(kinds[name], id) }, label) : label, value.count === undefined ? null : h('span', { class: 'number' }, ` ${full(value.count)}`))
    }), list.length > 12 ? h('li', { class: 'hint' }, `and ${list.length - 12} more`) : null))))
}

/** @param {IncidentPage} found */
function deliveries(found) {
  return h('section', { class: 'panel', 'aria-labelledby': 'delivery' }, h('header', null, h('h2', { id: 'delivery' }, 'Delivery')),
    found.deliveries.length === 0 ? empty('Nobody was told: no destination is configured, or a silence holds.') : h('ul', { class: 'log' }, found.deliveries.map((one) => h('li', null, h('b', null, hostile(one.to)), ': ', hostile(deliveryWords(one))))))
}

/** @param {IncidentPage['deliveries'][number]} one */
const deliveryWords = (one) => [one.outcome === 'failing' ? `failing since ${when(one.at)}` : `${one.outcome} ${when(one.at, { to: 'second' })}`, one.reason].filter(Boolean).join(': ')

/** @param {IncidentPage} found */
function history(found) {
  return h('section', { class: 'panel', 'aria-labelledby': 'history' }, h('header', null, h('h2', { id: 'history' }, 'History')),
    h('ol', { class: 'log' }, [...found.history].reverse().slice(0, 100).map((one) => h('li', null, h('time', { datetime: one.at, title: one.at }, when(one.at, { to: 'second' })), ' ', h('b', null, one.what), one.by ? [' by ', hostile(one.by)] : null, one.note ? [': ', hostile(one.note)] : null))))
}

