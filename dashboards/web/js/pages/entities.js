// Entity without a name: the find box, and the keys that fail most with their owners.

import { entityHref, go, param } from '../address.js'
import { catalog, causeTag } from '../catalog.js'
import { h, hostile, id as shortId } from '../dom.js'
import { guess } from '../find.js'
import { full } from '../numbers.js'
import { empty, panel } from '../panel.js'
import { iso } from '../range.js'
import * as rangebar from '../rangebar.js'
import { period } from '../rows.js'
import { TABLE, get, send } from '../api.js'
import { columnsOf, columnOf, objects, table } from '../table.js'

const KINDS = /** @type {[string, string][]} */ ([['key', 'Key'], ['principal', 'User'], ['tenant', 'Tenant'], ['network', 'Network'], ['route', 'Route']])

/** The remedy stands on the key's own page, and in the report. */
const LEFT_OUT = ['remedy', 'environment']

/** @returns {import('../shapes').Page} */
export function open() {
  const kind = h('select', { id: 'kind', name: 'kind' }, KINDS.map(([value, label]) => h('option', { value }, label)))
  const input = h('input', { id: 'name', name: 'name', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' })
  const form = h('form', { class: 'bar', onsubmit: (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    const name = input.value.trim()
    // A key itself belongs into the Diagnose box; here it would end in the address.
    if (name && !guess(name)?.secret) go(entityHref(kind.value, name))
    else if (name) go('/diagnose')
  } }, h('label', { for: 'kind', class: 'unseen' }, 'Kind'), kind, h('label', { for: 'name', class: 'unseen' }, 'Id or name'), input, h('button', { type: 'submit', class: 'primary' }, 'Open'))
  input.addEventListener('input', () => {
    const found = guess(input.value)
    if (found && KINDS.some(([value]) => value === found.kind)) kind.value = found.kind
    input.classList.toggle('masked', found?.secret ?? false)
  })

  const list = panel({
    what: 'the keys that fail most', heading: 'Keys that fail most',
    load: async (signal) => {
      const { from, to } = rangebar.span()
      const report = (await catalog().catch(() => null))?.reports.find((one) => /failing.keys/.test(one.name))
      if (report) {
        const has = (/** @type {string} */ name) => report.parameters.some((one) => one.name === name)
        const query = new URLSearchParams()
        if (has('from')) query.set('from', iso(from))
        if (has('to')) query.set('to', iso(to))
        if (param('tenant') && has('tenant')) query.set('tenant', /** @type {string} */ (param('tenant')))
        return /** @type {import('../shapes').Table} */ (await get(`/v1/reports/${report.name}?${query}`, { signal, accept: TABLE }))
      }
      return /** @type {import('../shapes').Table} */ (await send('/v1/sql', { sql: question(from, to) }, { signal, accept: TABLE }))
    },
    show: (answer, body) => {
      const rows = objects(answer)
      if (rows.length === 0) return body.replaceChildren(empty('No key failed in this range.'))
      const known = answer.columns.map(columnOf)
      const columns = (known.length > 0 ? known : columnsOf(rows)).filter((column) => !LEFT_OUT.includes(column.key)).map((column) => {
        const found = { key_id: 'key', key: 'key', principal_id: 'principal', owner: 'principal', principal: 'principal', tenant_id: 'tenant', tenant: 'tenant' }[column.key]
        if (found) return { ...column, show: (/** @type {any} */ value) => (value ? h('a', { href: entityHref(found, value) }, found === 'key' ? shortId(value) : hostile(value)) : '–') }
        if (column.key === 'mask') return { ...column, show: (/** @type {any} */ value) => (value ? h('span', { class: 'mono whole' }, hostile(value)) : '–') }
        if (['cause', 'main_cause'].includes(column.key)) return { ...column, show: (/** @type {any} */ value) => (value ? causeTag(value) : '–') }
        return column
      })
      body.replaceChildren(table({ caption: `Keys that fail most: ${full(rows.length)} rows`, columns, rows }))
    },
  })
  list.reload()
  return {
    title: 'Entity',
    root: h('div', { class: 'page' }, h('h1', { tabindex: '-1' }, 'What has a key, user, tenant, network or route been doing?'), form, list.root),
    refresh: list.reload,
    leave: list.stop,
  }
}

/** @param {number} from @param {number} to */
const question = (from, to) => `select key_id, max(principal_id) as principal_id, max(tenant_id) as tenant_id, count(*) as failures, max(cause) as cause, max(event_at) as last_at
from events
where ${[...period(from, to), 'cause is not null', 'key_id is not null'].join('\n  and ')}
group by key_id
order by failures desc
limit 50`
