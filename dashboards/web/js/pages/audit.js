// Audit: who did what with which key, and can I prove it? Times are UTC with seconds, whatever the zone setting says.

import { go, param, patch } from '../address.js'
import { Failure, TABLE, ask, get, isAbort, send } from '../api.js'
import { catalog } from '../catalog.js'
import { open as dialog } from '../dialog.js'
import { copy, fill, h, hostile, say } from '../dom.js'
import { bytes, counted, full } from '../numbers.js'
import { empty, panel } from '../panel.js'
import { isTime, iso, resolve } from '../range.js'
import { facts, objects, recordTime, table } from '../table.js'
import { record } from '../times.js'

const FILTERS = /** @type {[string, string][]} */ ([['who', 'Who'], ['key', 'Key'], ['tenant', 'Tenant'], ['action', 'Action'], ['from', 'From'], ['to', 'To']])
const ROWS_MAX = 1000

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
      if (rows.length === 0) return fill(body, empty(`No record${param('who') ? ` of ${param('who')}` : ''} in this period.`))
      fill(body, table({ caption: 'Audit records', columns: columns(names), rows }))
    },
  })

  const proof = panel({
    what: 'the state of the chain', size: 'line',
    load: (signal) => /** @type {Promise<any>} */ (get('/v1/audit/proof', { signal })),
    show: (found, body) => {
      fill(body)
      const bad = found.broken_at ?? found.broken?.sequence
      broken.hidden = bad === undefined || bad === null
      if (!broken.hidden) say(broken, `Chain broken at ${full(bad)}: digest does not match. Do not rely on what follows.`)
      const until = found.verified_until ?? found.verified_to
      const open_ = found.uncovered ?? found.not_covered
      say(chain, [until ? `Chain verified to ${record(until)} UTC${found.digest ?? found.digest_number ? ` (digest ${found.digest_number ?? String(found.digest).slice(0, 12)})` : ''}.` : '', open_ ? `Not yet covered: ${counted(open_, 'record')}.` : ''].filter(Boolean).join(' '))
    },
  })

  /** @param {number} rows @param {boolean} cut */
  function sentence(rows, cut) {
    const filters = FILTERS.filter(([name]) => param(name) && name !== 'from' && name !== 'to').map(([name]) => `${name} ${param(name)}`)
    const { from, to, live } = span()
    return `${cut || rows >= ROWS_MAX ? `More than ${full(rows)}` : full(rows)} ${rows === 1 ? 'record' : 'records'}${filters.length > 0 ? ` of ${filters.join(', ')}` : ''}, ${record(from)} to ${live ? 'now' : record(to)} UTC.`
  }

  list.reload()
  proof.reload()
  return {
    title: 'Audit',
    root: h('div', { class: 'page audit' }, broken, heading, chain, proof.root, form, problem, h('div', { class: 'row' }, h('button', { type: 'button', onclick: exportDialog }, 'Export…')), list.root),
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
    const { from, to } = span()
    const wrong = h('p', { class: 'failure', role: 'alert' })
    const done = h('div')
    const start = h('input', { id: 'x-from', value: iso(from), required: true })
    const end = h('input', { id: 'x-to', value: iso(to), required: true })
    const who = h('input', { id: 'x-tenant', value: param('tenant') ?? '', placeholder: 'all' })
    const format = h('select', { id: 'x-format' }, [['ndjson', 'NDJSON'], ['csv', 'CSV'], ['parquet', 'Parquet'], ['ocsf', 'OCSF']].map(([value, label]) => h('option', { value }, label)))
    const button = h('button', { type: 'submit', class: 'primary' }, 'Export')
    const abort = new AbortController()
    dialog('Export the audit trail', [h('form', { class: 'form', onsubmit: (/** @type {SubmitEvent} */ event) => {
      event.preventDefault()
      button.disabled = true
      void run()
    } }, h('label', { for: 'x-from' }, 'From'), start, h('label', { for: 'x-to' }, 'To'), end, h('label', { for: 'x-tenant' }, 'Tenant'), who, h('label', { for: 'x-format' }, 'Format'), format,
    h('p', { class: 'hint' }, 'With a manifest of SHA-256 sums. Check it with ', h('code', null, 'claviger verify DIR'), '.'), wrong, done, h('div', { class: 'row' }, button))], { onClose: () => abort.abort() })

    async function run() {
      try {
        const answer = await ask('/v1/exports', { method: 'POST', headers: { 'content-type': 'application/json' }, accept: '*/*', signal: abort.signal, body: JSON.stringify({ from: start.value, to: end.value, tenant: who.value.trim() || undefined, format: format.value }) })
        const total = await saved(answer)
        fill(done, h('p', null, `Done, ${bytes(total)}.`))
      } catch (error) {
        if (!isAbort(error)) say(wrong, error instanceof Failure ? [error.title, error.hint].filter(Boolean).join(' ') : 'The export failed.')
      } finally {
        button.disabled = false
      }
    }

    /** @param {Response} answer */
    async function saved(answer) {
      const reader = answer.body?.getReader()
      const parts = []
      let size = 0
      for (;;) {
        const { done: end_, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (end_) break
        parts.push(value)
        size += value?.length ?? 0
        fill(done, h('p', null, `Export: ${bytes(size)} received.`))
      }
      const name = /filename="?([^";]+)/.exec(answer.headers.get('content-disposition') ?? '')?.[1] ?? `claviger-audit.${format.value === 'parquet' ? 'tar' : format.value}`
      const link = h('a', { href: URL.createObjectURL(new Blob(/** @type {BlobPart[]} */ (parts))), download: name })
      document.body.append(link)
      link.click()
      link.remove()
      return size
    }
  }
}

/** Columns of the audit table under the names that the sketch gives them; a service may name some otherwise.
 * @param {string[]} names */
function columns(names) {
  const first = (/** @type {string[]} */ list) => list.find((name) => names.includes(name))
  const shown = /** @type {[string, string | undefined][]} */ ([
    ['Time (UTC)', first(['at', 'event_at', 'asked_at', 'time'])], ['Who', first(['actor', 'who', 'caller', 'name'])], ['What', first(['action', 'what', 'operation'])],
    ['On', first(['object', 'target', 'subject', 'resource', 'tables'])], ['From', first(['client_address', 'address', 'peer', 'from_address'])], ['Tenant', first(['tenant_id', 'tenant'])], ['Outcome', first(['outcome', 'status', 'result'])], ['Sequence', first(['sequence', 'seq'])],
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
  const filters = /** @type {[string, string | undefined][]} */ ([['who', column(['actor', 'who', 'caller', 'name'])], ['key', column(['key_id', 'key', 'object', 'target'])], ['tenant', column(['tenant_id', 'tenant'])], ['action', column(['action', 'what', 'operation'])]])
  for (const [name, key] of filters) {
    const value = param(name)
    if (value && key) where.push(`${key} = '${value.replaceAll("'", "''")}'`)
  }
  return `select * from audit where ${where.join(' and ')} order by ${time} desc limit ${ROWS_MAX}`
}

