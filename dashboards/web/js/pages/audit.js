// Audit: who did what with which key, and can I prove it? Times are UTC with seconds, whatever the zone setting says.

import { go, param, patch } from '../address.js'
import { Failure, TABLE, get, send } from '../api.js'
import { catalog } from '../catalog.js'
import { copy, fill, h, hostile, say } from '../dom.js'
import { counted, full } from '../numbers.js'
import { empty, panel } from '../panel.js'
import { isTime, iso, resolve } from '../range.js'
import { facts, objects, recordTime, table } from '../table.js'
import { record } from '../times.js'
import { openExports } from './exports.js'

const FILTERS = /** @type {[string, string][]} */ ([['who', 'Who'], ['key', 'Key'], ['tenant', 'Tenant'], ['action', 'Action'], ['from', 'From'], ['to', 'To']])
const ROWS_MAX = 1000
/** What a browser asks to open any page: it would bury what people did. */
const OPENING = ['session', 'catalog', 'live', 'openapi.json'].map((name) => `GET /v1/${name}`)
/** Whether the opening of pages is left out: until somebody asks for it, or for one kind of act. */
const isBrief = () => param('opened') !== 'shown' && !param('action') && !param('key')

/** @returns {import('../shapes').Page} */
export function open() {
  const heading = h('h1', { tabindex: '-1' }, 'Who did what, and when?')
  const chain = h('p', { class: 'lead' })
  const broken = h('p', { class: 'broken', role: 'alert', hidden: true })
  const problem = h('p', { class: 'failure', role: 'alert' })
  const form = h('form', { class: 'parameters', onsubmit: (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    const values = Object.fromEntries([...form.querySelectorAll('input')].map((input) => [input.name, input.value.trim() || null]))
    const wrong = ['from', 'to'].find((name) => values[name] && !isTime(/** @type {string} */ (values[name])))
    say(problem, wrong ? 'Not a time. Example: -6h or 2026-11-23T03:00Z' : '')
    if (!wrong) patch(values)
  } }, FILTERS.map(([name, label]) => h('div', { class: 'field' }, h('label', { for: `f-${name}` }, label), h('input', { id: `f-${name}`, name, value: param(name) ?? '', placeholder: name === 'from' ? '-7d' : name === 'to' ? 'now' : 'any', autocomplete: 'off', spellcheck: 'false' }))),
  h('button', { type: 'submit', class: 'primary' }, 'Show'))
  const opened = h('p', { class: 'hint' })
  const turn = (/** @type {string | null} */ to, /** @type {string} */ label) => h('button', { type: 'button', class: 'link', onclick: () => patch({ opened: to }) }, label)
  const span = () => resolve({ from: param('from') ?? '-7d', to: param('to') }, Date.now())

  const list = panel({
    what: 'the records',
    load: async (signal) => {
      const { from, to } = span()
      const found = await catalog()
      const names = found.tables.find((one) => one.name === 'audit')?.columns.map((column) => column.name)
      if (!names) throw new Failure('missing', { title: 'This service keeps no audit trail.', hint: 'Or your token may not read it.' })
      return { names, answer: /** @type {import('../shapes').Table} */ (await send('/v1/sql', { sql: question(names, from, to) }, { signal, accept: TABLE })) }
    },
    show: ({ names, answer }, body) => {
      const rows = objects(answer)
      say(heading, sentence(rows.length, answer.cut))
      fill(opened, isBrief() ? ['Without the opening of pages by browsers. ', turn('shown', 'Show it too')] : param('opened') ? ['With the opening of pages by browsers. ', turn(null, 'Leave it out')] : null)
      if (rows.length === 0) return fill(body, empty(`No record${param('who') ? ` of ${param('who')}` : ''} in this period.`))
      fill(body, table({ caption: 'Audit records', columns: columns(names), rows }))
    },
  })

  const proof = panel({
    what: 'the state of the chain', size: 'line',
    load: async (signal) => {
      try {
        return /** @type {import('../shapes').Chain} */ (await get('/v1/audit/proof', { signal }))
      } catch (error) {
        // A chain that is not sound is told of by the service as an error of its own.
        if (!(error instanceof Failure) || error.status !== 500) throw error
        broken.hidden = false
        say(broken, `${error.title} Do not rely on what follows.`)
        throw error
      }
    },
    show: (found, body) => {
      fill(body)
      broken.hidden = true
      const open_ = found.records - found.covered
      say(chain, [found.covered_until ? `Chain verified to ${record(found.covered_until)} UTC (digest ${found.digest_sequence}).` : 'No digest yet: the first comes at the end of the hour.', open_ > 0 ? `Not yet covered: ${counted(open_, 'record')}.` : ''].filter(Boolean).join(' '))
    },
  })

  /** @param {number} rows @param {boolean} cut */
  function sentence(rows, cut) {
    const filters = FILTERS.filter(([name]) => param(name) && name !== 'from' && name !== 'to').map(([name]) => `${name} ${param(name)}`)
    const { from, to, live } = span()
    return `${cut || rows >= ROWS_MAX ? `More than ${full(rows)}` : full(rows)} ${rows === 1 ? 'record' : 'records'}${filters.length > 0 ? ` of ${filters.join(', ')}` : ''} from ${record(from).slice(0, 16)} UTC to ${live ? 'now' : `${record(to).slice(0, 16)} UTC`}.`
  }

  list.reload()
  proof.reload()
  return {
    title: 'Audit',
    root: h('div', { class: 'page audit' }, broken, heading, chain, proof.root, form, problem, h('div', { class: 'row' }, h('button', { type: 'button', onclick: exportDialog }, 'Export…')), opened, list.root),
    refresh() {
      for (const input of form.querySelectorAll('input')) input.value = param(input.name) ?? ''
      list.reload()
    },
    leave() {
      list.stop()
      proof.stop()
    },
    keys: [
      { key: 'e', does: 'Export…', run: exportDialog },
      { key: 'p', does: 'Copy proof', run: () => /** @type {HTMLElement | null} */ (list.root.querySelector('[data-proof]'))?.click() },
      { key: 'Escape', does: 'Back', run: () => go('/') },
    ],
  }

  function exportDialog() {
    openExports(span(), param('tenant') ?? '')
  }
}

/** Columns of the audit table under the names that the sketch gives them; a service may name some otherwise.
 * @param {string[]} names */
function columns(names) {
  const first = (/** @type {string[]} */ list) => list.find((name) => names.includes(name))
  const shown = /** @type {[string, string | undefined][]} */ ([
    ['Time (UTC)', first(['at', 'event_at', 'asked_at', 'time'])], ['Who', first(['actor', 'who', 'caller', 'name'])], ['What', first(['action', 'operation'])],
    ['On', first(['object', 'target', 'what'])], ['From', first(['client_address', 'address', 'peer', 'from_address'])], ['Tenant', first(['tenant_id', 'tenant'])], ['Outcome', first(['outcome', 'status', 'result'])], ['Sequence', first(['sequence', 'seq'])],
  ])
  return shown.filter(([, key]) => key !== undefined).map(([label, key], index) => ({
    key: /** @type {string} */ (key), label, numeric: label === 'Sequence',
    type: index === 0 ? 'timestamp' : 'text',
    show: index === 0 ? (/** @type {any} */ value, /** @type {any} */ row) => [recordTime(value), proofOf(row)] : label === 'Sequence' ? (/** @type {any} */ value) => full(value) : (/** @type {any} */ value) => (value === null || value === undefined || value === '' ? '–' : hostile(Array.isArray(value) ? value.join(', ') : value)),
  }))
}

/** @param {any} row */
function proofOf(row) {
  const button = h('button', { type: 'button', class: 'link', 'data-proof': '' }, 'Copy proof')
  button.addEventListener('click', () => copy(JSON.stringify(row, Object.keys(row).sort()), button))
  return h('details', { class: 'proof' }, h('summary', null, 'record'), facts('Record', Object.entries(row).filter(([, value]) => value !== null && value !== '').map(([name, value]) => [name.replaceAll('_', ' '), hostile(typeof value === 'object' ? JSON.stringify(value) : value)])), button)
}

/** @param {string[]} names @param {number} from @param {number} to */
function question(names, from, to) {
  const column = (/** @type {string[]} */ list) => list.find((name) => names.includes(name))
  const time = column(['at', 'event_at', 'asked_at', 'time']) ?? names[0]
  const where = [`${time} >= timestamp '${iso(from)}'`, `${time} < timestamp '${iso(to)}'`]
  // Some of these addresses carry parameters.
  if (isBrief() && names.includes('what')) for (const what of OPENING) where.push(`not starts_with(what, '${what}')`)
  const filters = /** @type {[string, string | undefined][]} */ ([['who', column(['actor', 'who', 'caller', 'name'])], ['key', column(['key_id', 'key', 'what', 'object'])], ['tenant', column(['tenant_id', 'tenant'])], ['action', column(['action', 'what', 'operation'])]])
  for (const [name, key] of filters) {
    const value = param(name)
    // What was asked for is a path or a statement: the key is somewhere in it.
    const text = value?.replaceAll("'", "''")
    if (text && key) where.push(key === 'what' ? `strpos(what, '${text}') > 0` : `${key} = '${text}'`)
  }
  return `select * from audit where ${where.join(' and ')} order by ${time} desc limit ${ROWS_MAX}`
}

