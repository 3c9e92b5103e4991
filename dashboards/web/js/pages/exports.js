// Exports of the audit trail: asked for, watched while they are written, fetched with the line that verifies them.

import { Failure, ask, get, send } from '../api.js'
import { open as dialog } from '../dialog.js'
import { fill, h, hostile, say } from '../dom.js'
import { bytes, full, share } from '../numbers.js'
import { iso } from '../range.js'
import { record } from '../times.js'

/** @typedef {import('../shapes').Export} Export */

const LOOK_MS = 1000
const OUTPUTS = [['ndjson', 'NDJSON'], ['csv', 'CSV'], ['parquet', 'Parquet'], ['ocsf', 'OCSF']]
/** Written beside the files of every export, and part of none of their sums. */
const PROOFS = ['MANIFEST', 'MANIFEST.sig']

/** @param {{from: number, to: number}} span @param {string} tenant */
export function openExports({ from, to }, tenant) {
  const problem = h('p', { class: 'failure', role: 'alert' })
  const list = h('div', { class: 'exports', 'aria-live': 'polite' })
  const start = h('input', { id: 'x-from', value: iso(from), required: true, autocomplete: 'off' })
  const end = h('input', { id: 'x-to', value: iso(to), required: true, autocomplete: 'off' })
  const whose = h('input', { id: 'x-tenant', value: tenant, placeholder: 'all that you may see', autocomplete: 'off' })
  const who = h('input', { id: 'x-principal', placeholder: 'any', autocomplete: 'off' })
  const key = h('input', { id: 'x-key', placeholder: 'any', autocomplete: 'off', 'aria-describedby': 'x-key-help' })
  const output = h('select', { id: 'x-output' }, OUTPUTS.map(([value, label]) => h('option', { value }, label)))
  let closed = false

  const form = h('form', { class: 'form', onsubmit: async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    say(problem, '')
    try {
      const filled = (/** @type {HTMLInputElement} */ input) => input.value.trim() || undefined
      await send('/v1/exports', { from: start.value.trim(), to: end.value.trim(), tenant: filled(whose), principal: filled(who), key: filled(key), output: output.value })
      void look()
    } catch (error) {
      say(problem, words(error))
    }
  } },
  h('label', { for: 'x-from' }, 'From (UTC)'), start, h('label', { for: 'x-to' }, 'To, which is not part of it'), end,
  h('label', { for: 'x-tenant' }, 'Tenant'), whose, h('label', { for: 'x-principal' }, 'User'), who,
  h('label', { for: 'x-key' }, 'Id of a key'), key, h('p', { class: 'hint', id: 'x-key-help' }, 'Never the key itself.'),
  h('label', { for: 'x-output' }, 'Format'), output, problem, h('div', { class: 'row' }, h('button', { type: 'submit', class: 'primary' }, 'Export')))

  dialog('Export the audit trail', [form, list], { wide: true, onClose: () => { closed = true } })
  void look()

  /** Looks until nothing is being written any more. */
  async function look() {
    try {
      const found = /** @type {Export[]} */ (await get('/v1/exports'))
      if (closed) return
      fill(list, found.map(shown))
      if (found.some((one) => one.state === 'waiting' || one.state === 'running')) setTimeout(look, LOOK_MS)
    } catch (error) {
      say(problem, words(error))
    }
  }

  /** @param {Export} one */
  function shown(one) {
    const title = `${one.output.toUpperCase()}, ${record(one.from)} to ${record(one.to)} UTC${one.tenant ? `, tenant ${one.tenant}` : ''}`
    return h('section', { class: 'export' }, h('h3', null, title), h('p', null, progress(one)),
      one.state !== 'done' ? null : [
        h('ul', null, [...one.files, ...PROOFS.map((path) => ({ path, sha256: '', records: undefined }))].map((file) => h('li', null,
          h('button', { type: 'button', class: 'link', onclick: () => void fetched(one, file.path) }, hostile(file.path)), file.records === undefined ? null : ` ${full(file.records)} records`,
          file.sha256 ? h('span', { class: 'hint mono', title: file.sha256 }, ` SHA-256 ${file.sha256.slice(0, 12)}…`) : null))),
        one.verify ? h('p', null, 'Verify with ', h('code', null, one.verify)) : null,
      ])
  }

  /** @param {Export} one @param {string} path */
  async function fetched(one, path) {
    try {
      const body = await (await ask(`/v1/exports/${encodeURIComponent(one.id)}/file?path=${encodeURIComponent(path)}`, { accept: '*/*' })).blob()
      const link = h('a', { href: URL.createObjectURL(body), download: path.split('/').pop() })
      document.body.append(link)
      link.click()
      link.remove()
    } catch (error) {
      say(problem, words(error))
    }
  }
}

/** @param {Export} one */
function progress(one) {
  if (one.state === 'waiting') return 'Waits for its turn. You can leave; it goes on.'
  if (one.state === 'running') return `Export ${full(one.written)} of ${full(one.records)} records, ${share(one.written, one.records)}, ${bytes(one.bytes)}. You can leave; it goes on.`
  if (one.state === 'failed') return `Failed: ${one.failed ?? 'the log says why'}. ${one.hint ?? ''}`
  return `Done: ${full(one.written)} of ${full(one.records)} records.`
}

/** @param {unknown} error */
const words = (error) => (error instanceof Failure ? [error.title, error.hint].filter(Boolean).join(' ') : 'The answer cannot be read.')
