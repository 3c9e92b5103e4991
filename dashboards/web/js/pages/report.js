// One report: its parameters as typed inputs, its rows as a table or a chart, and the same address in other formats.

import { go, param, params, parts, patch } from '../address.js'
import { FORMATS, Failure, TABLE, curl, download, get } from '../api.js'
import { tell } from '../announce.js'
import { catalog } from '../catalog.js'
import { capital, copy, fill, h, say } from '../dom.js'
import { duration, full } from '../numbers.js'
import { empty, panel } from '../panel.js'
import { isTime } from '../range.js'
import { resultView } from '../result.js'

/** @typedef {import('../shapes').Report} Report */
/** @typedef {import('../shapes').Table} Table */

const OURS = ['sort', 'view']

/** @returns {import('../shapes').Page} */
export function open() {
  const name = parts()[1] ?? ''
  const heading = h('h1', { tabindex: '-1' }, name.replaceAll('_', ' '))
  const question = h('p', { class: 'lead' })
  const form = h('form', { class: 'parameters', onsubmit: run })
  const summary = h('p', { class: 'summary' })
  /** @type {Report | null} */
  let report = null
  /** @type {ReturnType<typeof resultView> | null} */
  let view = null
  let asked = ''

  /** The address of the answer: what the form says, with relative times made absolute by the server's own rules. */
  function path() {
    const query = new URLSearchParams()
    for (const [key, value] of params()) if (!OURS.includes(key)) query.set(key, value)
    const text = query.toString()
    return `/v1/reports/${encodeURIComponent(name)}${text ? `?${text}` : ''}`
  }

  const result = panel({
    what: 'the report',
    load: async (signal) => {
      asked = path()
      report ??= (await catalog()).reports.find((one) => one.name === name) ?? null
      if (!report) throw new Failure('missing', { title: `There is no report called ${name}.`, hint: 'The list of reports has all of them.' })
      drawForm(report)
      return /** @type {Table} */ (await get(path(), { signal, accept: TABLE }))
    },
    show: (answer, body) => {
      const rows = answer.rows.length
      const words = answer.cut ? `First ${full(rows)} of ${Number(answer.row_count) > rows ? full(answer.row_count) : 'more'} rows. The download has all.` : `${full(rows)} ${rows === 1 ? 'row' : 'rows'}, ${duration(answer.elapsed_ms)}.`
      say(summary, words)
      tell(words)
      if (rows === 0) return fill(body, empty('0 rows. The report is fine.'))
      view?.dispose()
      view = resultView({
        name: report?.title ?? name, answer, columns: report?.columns, chart: report?.chart ?? null,
        sort: param('sort'), onSort: (sort) => patch({ sort }, { replace: true }),
        view: param('view') === 'chart' ? 'chart' : 'table', onView: (next) => patch({ view: next === 'table' ? null : next }, { replace: true }),
        tools: downloads(answer),
      })
      fill(body, view.root)
    },
  })

  /** @param {Report} found */
  function drawForm(found) {
    say(heading, found.title)
    document.title = `${found.title} · Claviger`
    say(question, found.question)
    if (form.childElementCount > 0) return
    const now = params()
    fill(form, found.parameters.map((one) => {
      const field = `p-${one.name}`
      const value = now.get(one.name) ?? ''
      const fallback = one.default === null || one.default === undefined ? '' : String(one.default)
      const type = /int|float|double|number/.test(one.type) ? 'number' : 'text'
      return h('div', { class: 'field' }, h('label', { for: field }, capital(one.name.replaceAll('_', ' '))),
        one.values && one.values.length > 0
          ? h('select', { id: field, name: one.name, title: one.meaning }, h('option', { value: '' }, fallback || 'any'), one.values.filter((word) => word !== fallback).map((word) => h('option', { value: word, selected: word === value }, word)))
          : h('input', { id: field, name: one.name, value, placeholder: fallback || (one.required ? one.example ?? '' : 'any'), required: one.required, type, title: one.meaning, autocomplete: 'off', spellcheck: 'false', 'data-type': one.type, step: type === 'number' ? 'any' : null, 'aria-describedby': `${field}-problem` }),
        h('p', { class: 'failure', id: `${field}-problem` }))
    }), h('button', { type: 'submit', class: 'primary' }, 'Run'))
  }

  /** @param {Event} [event] */
  function run(event) {
    event?.preventDefault()
    /** @type {Record<string, string | null>} */
    const values = {}
    let wrong = /** @type {HTMLInputElement | null} */ (null)
    for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('input, select'))) {
      const text = input.value.trim()
      const bad = text !== '' && /time/.test(input.dataset.type ?? '') && !isTime(text)
      say(/** @type {Node} */ (form.querySelector(`#${CSS.escape(input.id)}-problem`)), bad ? 'Not a time. Example: -6h or 2026-11-23T03:00Z' : '')
      input.setAttribute('aria-invalid', String(bad))
      if (bad) wrong ??= input
      values[input.name] = text || null
    }
    if (wrong) return wrong.focus()
    patch(values)
    if (path() === asked) result.reload()
  }

  /** @param {Table} answer */
  function downloads(answer) {
    const total = Number(answer.row_count) || answer.rows.length
    const line = h('button', { type: 'button' }, 'Copy curl')
    line.addEventListener('click', () => copy(curl(path()), line))
    return [h('span', { class: 'hint' }, 'Download: '), FORMATS.map((format) => h('button', { type: 'button', title: answer.cut ? 'All rows' : `All ${full(total)} rows`, onclick: () => void save(format) }, format.name)), line]
  }

  /** @param {typeof FORMATS[number]} format */
  async function save(format) {
    try {
      tell('Downloading all rows.')
      await download(path(), { accept: format.accept }, `${name}.${format.ending}`)
    } catch (error) {
      tell(error instanceof Failure ? error.title : 'The download failed.')
    }
  }

  result.reload()
  return {
    title: 'Report',
    root: h('div', { class: 'page' }, h('p', { class: 'crumb' }, h('a', { href: '/reports' }, 'Reports')), heading, question, form, summary, result.root),
    refresh() {
      if (path() === asked) return view?.follow(param('sort'), param('view') === 'chart' ? 'chart' : 'table')
      for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll('input, select'))) input.value = param(input.name) ?? ''
      result.reload()
    },
    leave() {
      result.stop()
      view?.dispose()
    },
    keys: [
      { key: 'r', does: 'Run', run: () => run() },
      { key: 'v', does: 'Chart or table', run: () => view?.toggle() },
      { key: 'D', does: 'Download CSV', run: () => void save(FORMATS[0]) },
      { key: 'Escape', does: 'Back to the list', run: () => go('/reports') },
    ],
  }
}

