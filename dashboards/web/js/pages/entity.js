// Entity: what is this key (user, tenant, network, route), and what has it been doing? Its state in a sentence, four lanes
// on one time axis, then tables; one table at a time, chosen in the address.

import { diagnoseHref, entityHref, go, href, param, parts, patch } from '../address.js'
import { get } from '../api.js'
import { causeTag } from '../catalog.js'
import { capital, fill, h, hostile, id as shortId, say } from '../dom.js'
import { counted, duration, full } from '../numbers.js'
import { refusals, sum } from '../overview.js'
import { empty, failureText, panel } from '../panel.js'
import { iso } from '../range.js'
import * as rangebar from '../rangebar.js'
import { line, ranked } from '../severity.js'
import { columnsOf, facts, table } from '../table.js'
import { when } from '../times.js'

/** @typedef {import('../shapes').Entity} Entity */

const KINDS = /** @type {Record<string, string>} */ ({ key: 'Key', principal: 'User', tenant: 'Tenant', network: 'Network', route: 'Route' })
const NEW_MS = 86_400_000

/** The question of each kind, and the parameter that asks it. */
const WHAT_IF = /** @type {Record<string, [string, string]>} */ ({ key: ['What if revoked?', 'revoke_key'], principal: ['What if deactivated?', 'disable_principal'], tenant: ['What if suspended?', 'suspend_tenant'] })

/** @returns {import('../shapes').Page} */
export function open() {
  const [, kind, ...rest] = parts()
  const name = rest.join('/')
  const heading = h('h1', { tabindex: '-1' }, `${KINDS[kind] ?? kind} ${name}`)
  const lead = h('p', { class: 'lead' })
  const alerts = h('div', { class: 'incidents' })
  /** @type {ReturnType<typeof import('../chart.js').figure> | null} */
  let chart = null
  /** @type {typeof import('../pictures.js')} */
  let pictures
  /** @type {Entity | null} */
  let shown = null
  const tabs = h('div', { class: 'segments', role: 'group', 'aria-label': 'Tables' })
  const tabBody = h('div')
  const what = h('section', { class: 'panel what-if', 'aria-label': 'What would break' })

  const page = panel({
    what: `this ${KINDS[kind]?.toLowerCase() ?? kind}`, size: 'chart',
    load: async (signal) => {
      const { from, to } = rangebar.span()
      const [found] = await Promise.all([/** @type {Promise<Entity>} */ (get(href(`/v1/entities/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`, { from: iso(from), to: iso(to) }), { signal })), import('../pictures.js').then((all) => { pictures = all })])
      return found
    },
    show: display,
  })

  const root = h('div', { class: 'page entity' }, heading, lead, h('div', { class: 'row acts' },
    h('a', { class: 'button', href: diagnoseHref(kind, name) }, 'Diagnose'), h('a', { class: 'button', href: auditHref() }, 'Audit trail'),
    WHAT_IF[kind] ? h('button', { type: 'button', onclick: whatIf }, WHAT_IF[kind][0]) : null), what, alerts, page.root)

  function auditHref() {
    return kind === 'tenant' ? href('/audit', { tenant: name }) : href('/audit', { [kind === 'principal' ? 'who' : 'key']: name })
  }

  /** @param {Entity} found @param {HTMLElement} body */
  function display(found, body) {
    shown = found
    say(heading, sentence(found))
    document.title = `${found.label || found.id} · Claviger`
    fill(lead, leadOf(found))
    fill(alerts, ranked(found.incidents.filter((incident) => incident.status !== 'resolved')).slice(0, 3).map(line))
    const picture = pictures.lanes({ data: found, states: found.states, findings: found.findings, name: `${KINDS[kind] ?? kind} ${found.label || found.id}` })
    if (chart && chart.size === picture.size) chart.update(picture)
    else {
      chart?.dispose()
      chart = pictures.figure(picture, { onSelect: (from, to) => patch({ from: iso(from), to: iso(to) }) })
    }
    const requests = sum(found.requests)
    fill(body, requests === 0 && found.states.length === 0 ? empty(found.known ? `0 requests in this range. ${neverUsed(found)}` : 'In no snapshot, and no request in this range.') : chart.root,
      factsOf(found), tabs, tabBody)
    drawTabs()
  }

  function drawTabs() {
    if (!shown) return
    /** @type {Record<string, any[]>} */
    const all = { ...shown.tables, ...(shown.findings.length > 0 ? { findings: shown.findings } : {}), ...(shown.states.length > 0 ? { changes: shown.states } : {}) }
    const names = Object.keys(all).filter((one) => all[one].length > 0)
    const chosen = names.includes(param('tab') ?? '') ? /** @type {string} */ (param('tab')) : names[0]
    fill(tabs, names.map((one) => h('button', { type: 'button', 'aria-pressed': String(one === chosen), onclick: () => patch({ tab: one }, { replace: true }) }, `${capital(one)} `, h('span', { class: 'count' }, `${all[one].length}${freshWords(all[one])}`))))
    if (!chosen) return fill(tabBody, empty('Nothing is stored about it in this range.'))
    fill(tabBody, chosen === 'changes' ? pictures.changes(shown.states) : tableOf(chosen, all[chosen]))
  }

  /** @param {import('../shapes').Row[]} rows */
  function freshWords(rows) {
    const fresh = rows.filter(isNew).length
    return fresh > 0 && fresh < rows.length ? `, ${fresh} new` : ''
  }

  /** @param {import('../shapes').Row} row */
  const isNew = (row) => typeof row.first_at === 'string' && Date.parse(row.first_at) > Date.now() - NEW_MS

  /** @param {string} name_ @param {import('../shapes').Row[]} rows */
  function tableOf(name_, rows) {
    // Where everything is new, the word tells nothing apart.
    const marked = rows.some((row) => !isNew(row))
    const links = /** @type {Record<string, string>} */ ({ network: 'network', client_network: 'network', route: 'route', key_id: 'key', key: 'key', principal_id: 'principal', tenant_id: 'tenant', tenant: 'tenant' })
    const columns = columnsOf(rows).map((column) => {
      if (column.key === 'cause') return { ...column, show: (/** @type {any} */ value) => (value ? causeTag(value) : '–') }
      if (column.key === 'request_id') return { ...column, show: (/** @type {any} */ value) => (value ? h('a', { href: diagnoseHref('request', value) }, shortId(value, 22)) : '–') }
      if (links[column.key]) return { ...column, show: (/** @type {any} */ value, /** @type {any} */ row) => (value ? [h('a', { href: entityHref(links[column.key], value) }, ['key', 'network'].includes(links[column.key]) ? shortId(value, 40) : hostile(value)), marked && column.key === Object.keys(row)[0] && isNew(row) ? h('span', { class: 'new' }, ' new') : null] : '–') }
      return column
    })
    return table({ caption: `${capital(name_)} of ${name}`, columns, rows })
  }

  async function whatIf() {
    if (!WHAT_IF[kind]) return
    fill(what, h('h2', null, 'What would break'), h('p', { class: 'hint' }, 'Reading the traffic of the last week…'))
    try {
      fill(what, h('h2', null, 'What would break'), impactOf(await get(href('/v1/what-if', { [WHAT_IF[kind][1]]: name }))))
    } catch (error) {
      fill(what, h('h2', null, 'What would break'), h('p', { class: 'failure', role: 'alert' }, failureText('who would break', error)))
    }
  }

  page.reload()
  return {
    title: 'Entity', root,
    refresh() {
      const key = JSON.stringify(rangebar.current())
      if (key === lastRange) drawTabs()
      else {
        lastRange = key
        page.reload()
      }
    },
    leave() {
      page.stop()
      chart?.dispose()
    },
    keys: [
      { key: 'd', does: 'Diagnose', run: () => go(diagnoseHref(kind, name)) },
      { key: 't', does: 'Audit trail', run: () => go(auditHref()) },
      { key: 'w', does: 'What if it were switched off?', run: () => void whatIf() },
      { key: 'Escape', does: 'Back', run: () => history.back() },
    ],
  }
}

let lastRange = ''

/** Who would break, by the traffic of the last week: the sentence, then callers and routes. @param {import('../shapes').Impact} impact */
function impactOf(impact) {
  const shares = (/** @type {string} */ label, /** @type {import('../shapes').Share[]} */ rows) => (rows.length === 0 ? null : table({
    caption: label, rows: rows.slice(0, 20),
    columns: [{ key: 'name', label: label.replace(/s$/, '') }, { key: 'requests_per_day', label: 'Requests', unit: 'a day', numeric: true }, { key: 'last_at', label: 'Last', type: 'timestamp' }],
  }))
  return [
    h('p', null, hostile(impact.sentence)),
    h('p', { class: 'hint' }, `From what was served from ${when(impact.from)} to ${when(impact.to)}. Nothing was changed.${impact.refused_already_per_day > 0 ? ` Refused already: ${full(impact.refused_already_per_day)} a day.` : ''}`),
    shares('Callers', impact.callers), shares('Routes', impact.routes),
  ]
}

/** @param {Entity} found */
const neverUsed = (found) => (found.facts.last_used_at || found.facts.last_at ? '' : 'Known, never used.')

/** @param {Entity} found */
function sentence(found) {
  const kind = KINDS[found.kind] ?? found.kind
  const label = found.label || found.id
  const count = sum(found.requests)
  if (found.facts.erased_at) return `${kind} erased on ${when(String(found.facts.erased_at))}. Counts remain, the person does not.`
  if (!found.known && ['key', 'principal', 'tenant'].includes(found.kind)) return `${kind} ${label}: in no snapshot; seen ${full(count)} times.`
  const status = found.facts.status ? `${found.facts.status}` : null
  const created = found.facts.created_at ? `${duration(Date.now() - Date.parse(String(found.facts.created_at))).replace(/ \d+ h$/, '')} old` : null
  const networks = found.kind === 'network' ? 0 : found.tables.networks?.length ?? 0
  const refused = refusals(found, 0, found.buckets.length)
  const used = count === 0 ? 'not used in this range'
    : `${counted(count, 'request')}${networks > 0 ? ` from ${counted(networks, 'network')}` : ''}, ${refused === 0 ? 'none refused' : `${full(refused)} refused`}`
  return `${kind} ${label}: ${[[status, created].filter(Boolean).join(', '), used].filter(Boolean).join('; ')}.`
}

/** @param {Entity} found */
function leadOf(found) {
  const { facts: all } = found
  const owner = all.principal_id ?? all.owner
  const parts_ = /** @type {import('../dom.js').Child[]} */ ([
    owner ? ['owner ', h('a', { href: entityHref('principal', String(owner)) }, hostile(all.principal_name ?? owner)), all.principal_kind ? ` (${all.principal_kind})` : ''] : null,
    all.tenant_id && found.kind !== 'tenant' ? ['tenant ', h('a', { href: entityHref('tenant', String(all.tenant_id)) }, hostile(all.tenant_id))] : null,
    all.environment ? String(all.environment) : null,
    all.expires_at ? (Date.parse(String(all.expires_at)) > Date.now() ? `expires in ${duration(Date.parse(String(all.expires_at)) - Date.now())}` : `expired ${when(String(all.expires_at))}`) : null,
  ]).filter((one) => one !== null)
  return parts_.map((one, index) => [index > 0 ? ' · ' : '', one])
}

/** @param {Entity} found */
function factsOf(found) {
  const pairs = Object.entries(found.facts).filter(([, value]) => value !== null && value !== '' && !(Array.isArray(value) && value.length === 0))
  if (pairs.length === 0) return null
  return h('details', { class: 'request' }, h('summary', null, counted(pairs.length, 'fact')), facts('Facts', pairs.map(([name, value]) => [name.replaceAll('_', ' '), hostile(Array.isArray(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : /_at$/.test(name) ? when(String(value), { to: 'second' }) : value)])))
}
