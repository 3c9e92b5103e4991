// SQL: let me ask it myself. The draft survives everything; a link never runs by itself; Stop stops on the server too,
// because dropping the request cancels the plan.

import { fromFragment, go } from '../address.js'
import { FORMATS, Failure, TABLE, ask, curl, download, get, isAbort, send } from '../api.js'
import { tell } from '../announce.js'
import { catalog } from '../catalog.js'
import { open as dialog } from '../dialog.js'
import { copy, fill, h, hostile, say } from '../dom.js'
import { editor } from '../editor.js'
import { bytes, counted, duration, full } from '../numbers.js'
import { failureText } from '../panel.js'
import { readJson, writeJson } from '../storage.js'
import { when } from '../times.js'

/** @typedef {import('../shapes').Table} Table */

const HISTORY_MAX = 50
const EXAMPLES = /** @type {[string, string][]} */ ([
  ['What failed in the last hour?', "select cause, tenant_id, count(*) as failures\nfrom events\nwhere event_at > now() - interval '1 hour' and cause is not null\ngroup by cause, tenant_id\norder by failures desc"],
  ['Which keys were served and should not have been?', "select key_id, principal_id, cause, count(*) as served, max(event_at) as last_at\nfrom events\nwhere cause_class = 'served' and event_at > now() - interval '7 days'\ngroup by key_id, principal_id, cause\norder by served desc"],
  ['Who called with a key from more than one network?', "select key_id, count(distinct client_network) as networks, count(*) as requests\nfrom events\nwhere event_at > now() - interval '1 day' and key_id is not null\ngroup by key_id\nhaving count(distinct client_network) > 1\norder by networks desc\nlimit 100"],
])

/** @returns {import('../shapes').Page} */
export function open() {
  const heading = h('h1', { tabindex: '-1' }, 'Ask it yourself')
  const slot = h('div', { class: 'editor-slot' })
  const runButton = h('button', { type: 'button', class: 'primary', onclick: () => void run() }, 'Run')
  const stopButton = h('button', { type: 'button', onclick: stop, disabled: true }, 'Stop')
  const saveButton = h('button', { type: 'button', onclick: save }, 'Save')
  const notice = h('p', { class: 'hint' })
  const summary = h('p', { class: 'summary' })
  const problem = h('div')
  const result = h('div')
  const tables = h('div', { class: 'tables' })
  const saved = h('div')
  const past = h('div')
  /** @type {import('../editor.js').Editor | null} */
  let box = null
  /** @type {ReturnType<typeof import('../result.js').resultView> | null} */
  let view = null
  let abort = new AbortController()
  let began = 0
  let limits = ''
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking
  let gone = false

  const root = h('div', { class: 'page sql' }, heading,
    h('div', { class: 'sql-split' },
      h('aside', { 'aria-label': 'Tables and queries' },
        h('details', { class: 'side', open: matchMedia('(min-width: 1024px)').matches }, h('summary', null, 'Tables'), tables),
        h('details', { class: 'side', open: true }, h('summary', null, 'Saved'), saved),
        h('details', { class: 'side' }, h('summary', null, 'History'), past)),
      h('div', { class: 'desk' }, notice, slot, h('div', { class: 'row' }, runButton, stopButton, saveButton, h('span', { class: 'hint keys-hint' }, 'Ctrl/⌘ Enter runs the statement under the caret')), summary, problem, result)))

  async function start() {
    const linked = fromLink()
    box = await editor({
      text: linked ?? /** @type {string} */ (readJson('draft', '')), label: 'SQL', onRun: () => void run(), onStop: stop, onSave: save,
      onChange: (text) => {
        writeJson('draft', text)
        showExamples(text)
      },
    })
    if (gone) return box.destroy()
    slot.replaceChildren(box.root)
    showExamples(box.text())
    catalog().then((found) => {
      box?.complete(found)
      drawTables(found)
      limits = limitWords(found.limits)
      if (!summary.textContent) say(summary, limits)
    }, () => fill(tables, h('p', { class: 'hint' }, 'The catalog could not be read.')))
  }

  function fromLink() {
    const text = new URLSearchParams(location.hash.slice(1)).get('q')
    const sql = text ? fromFragment(text) : null
    if (sql !== null) {
      say(notice, 'From a link. Read it, then Run.')
      writeJson('draft', sql)
    }
    return sql
  }

  /** @param {string} text */
  function showExamples(text) {
    if (text.trim() !== '') {
      if (result.querySelector('.examples')) fill(result)
      return
    }
    if (result.childElementCount > 0) return
    fill(result, h('div', { class: 'examples' }, h('p', null, 'Three questions to begin with:'), EXAMPLES.map(([name, sql]) => h('button', { type: 'button', onclick: () => {
      box?.set(sql)
      box?.focus()
    } }, name))))
  }

  async function run() {
    const sql = box?.statement() ?? ''
    if (!sql) return
    stop()
    abort = new AbortController()
    const { signal } = abort
    began = performance.now()
    busy(true)
    fill(problem)
    say(notice, '')
    box?.problem(null)
    remember(sql)
    try {
      const answer = /** @type {Table} */ (await send('/v1/sql', { sql }, { signal, accept: TABLE }))
      if (!signal.aborted) await show(answer, sql)
    } catch (error) {
      if (isAbort(error)) say(summary, `Stopped after ${duration(performance.now() - began)}.`)
      else failed(error)
    } finally {
      if (abort.signal === signal) busy(false)
    }
  }

  function stop() {
    abort.abort()
    busy(false)
  }

  /** @param {boolean} is */
  function busy(is) {
    clearInterval(ticking)
    runButton.disabled = is
    stopButton.disabled = !is
    result.classList.toggle('stale', is)
    if (is) ticking = setInterval(() => {
      if (performance.now() - began > 2000) say(summary, `Still reading, ${duration(Math.floor((performance.now() - began) / 1000) * 1000)}.`)
    }, 500)
  }

  /** @param {Table} answer @param {string} sql */
  async function show(answer, sql) {
    const rows = answer.rows.length
    const words = rows === 0 ? '0 rows. The query is fine.' : answer.cut ? `Stopped at ${full(rows)} rows: the answer is cut. Download for all, or add a limit.` : `${full(rows)} ${rows === 1 ? 'row' : 'rows'} of ${full(rows)}`
    say(summary, [words, duration(answer.elapsed_ms), Number(answer.bytes_read) > 0 ? `${bytes(answer.bytes_read)} read` : '', limits].filter(Boolean).join(' · '))
    tell(words)
    view?.dispose()
    if (rows === 0) return fill(result)
    const { resultView } = await import('../result.js')
    const line = h('button', { type: 'button' }, 'Copy curl')
    line.addEventListener('click', () => copy(curl('/v1/sql', { body: { sql } }), line))
    view = resultView({
      name: 'Result', answer, sort: null, onSort: () => {}, view: 'table', onView: () => {},
      tools: [FORMATS.map((format) => h('button', { type: 'button', onclick: () => void saveAs(format, sql) }, format.name)), line],
    })
    fill(result, view.root)
  }

  /** @param {typeof FORMATS[number]} format @param {string} sql */
  async function saveAs(format, sql) {
    try {
      await download('/v1/sql', { method: 'POST', body: JSON.stringify({ sql }), headers: { 'content-type': 'application/json' }, accept: format.accept }, `result.${format.ending}`)
    } catch (error) {
      failed(error)
    }
  }

  /** @param {unknown} error */
  function failed(error) {
    if (error instanceof Failure && error.kind === 'timeout') {
      const seconds = error.body?.limit_s ?? /(\d+) s/.exec(`${error.title} ${error.detail}`)?.[1] ?? 30
      say(summary, `Timed out at ${seconds} s`)
      return
    }
    const words = error instanceof Failure ? [error.title, error.hint].filter(Boolean).join(' ') : failureText('the rows', error)
    const at = error instanceof Failure ? placeOf(error) : null
    fill(problem, h('p', { class: 'failure', role: 'alert' }, at ? `Line ${at.line}, column ${at.column}: ` : null, hostile(words)))
    say(summary, '')
    if (at) box?.problem({ ...at, message: words })
  }

  /** @param {Failure} failure */
  function placeOf(failure) {
    const { line, column } = failure.body ?? {}
    if (Number.isInteger(line)) return { line, column: Number(column ?? 1) }
    const found = /line:? (\d+),? column:? (\d+)/i.exec(`${failure.title} ${failure.detail}`)
    return found ? { line: Number(found[1]), column: Number(found[2]) } : null
  }

  /** @param {import('../shapes').Catalog} found */
  function drawTables(found) {
    fill(tables, found.tables.map((table) => h('details', null, h('summary', null, h('span', { class: 'mono' }, table.name)), table.meaning ? h('p', { class: 'hint' }, table.meaning) : null,
      h('ul', { class: 'column-list' }, table.columns.map((column) => h('li', null, h('button', { type: 'button', class: 'link mono', title: column.meaning, onclick: () => box?.insert(column.name) }, column.name), h('span', { class: 'hint' }, ` ${column.type}${column.unit ? `, ${column.unit}` : ''}`)))))))
  }

  async function drawSaved() {
    try {
      const found = /** @type {any} */ (await get('/v1/queries'))
      const list = /** @type {import('../shapes').Query[]} */ (Array.isArray(found) ? found : found.queries ?? [])
      fill(saved, list.length === 0 ? h('p', { class: 'hint' }, 'Nothing saved yet.') : h('ul', null, list.map((query) => h('li', null,
        h('button', { type: 'button', class: 'link', title: `by ${query.saved_by}, ${when(query.saved_at)}`, onclick: () => box?.set(query.sql) }, hostile(query.name)),
        h('button', { type: 'button', class: 'link quiet', 'aria-label': `Delete ${query.name}`, onclick: () => void remove(query.name) }, 'Delete')))))
    } catch (error) {
      fill(saved, h('p', { class: 'hint' }, error instanceof Failure ? error.title : 'Saved queries cannot be read.'))
    }
  }

  /** @param {string} name */
  async function remove(name) {
    await ask(`/v1/queries/${encodeURIComponent(name)}`, { method: 'DELETE' }).catch((error) => failed(error))
    void drawSaved()
  }

  function save() {
    const name = h('input', { id: 'query-name', required: true, maxlength: 80, autocomplete: 'off' })
    const wrong = h('p', { class: 'failure', role: 'alert' })
    const box_ = dialog('Save this query', [h('form', { class: 'form', onsubmit: async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault()
      try {
        await send(`/v1/queries/${encodeURIComponent(name.value.trim())}`, { sql: box?.text() ?? '' }, { method: 'PUT' })
        box_.close()
        void drawSaved()
      } catch (error) {
        say(wrong, error instanceof Failure ? [error.title, error.hint].filter(Boolean).join(' ') : 'Not saved.')
      }
    } }, h('label', { for: 'query-name' }, 'Name'), name, wrong, h('div', { class: 'row' }, h('button', { type: 'submit', class: 'primary' }, 'Save query')))])
  }

  /** @param {string} sql */
  function remember(sql) {
    const list = /** @type {{sql: string, at: string}[]} */ (readJson('history', []))
    writeJson('history', [{ sql, at: new Date().toISOString() }, ...list.filter((one) => one.sql !== sql)].slice(0, HISTORY_MAX))
    drawPast()
  }

  function drawPast() {
    const list = /** @type {{sql: string, at: string}[]} */ (readJson('history', []))
    fill(past, list.length === 0 ? h('p', { class: 'hint' }, 'Nothing asked yet in this browser.') : h('ul', null, list.map((one) => h('li', null, h('button', { type: 'button', class: 'link mono clip', title: one.sql, onclick: () => box?.set(one.sql) }, one.sql.replace(/\s+/g, ' ').slice(0, 80)), h('span', { class: 'hint' }, when(one.at))))))
  }

  void start()
  void drawSaved()
  drawPast()
  return {
    title: 'SQL', root,
    refresh() {
      const linked = fromLink()
      if (linked !== null) box?.set(linked)
    },
    leave() {
      gone = true
      abort.abort()
      clearInterval(ticking)
      view?.dispose()
      box?.destroy()
    },
    keys: [
      { key: 'Control+Enter', does: 'Run', run: () => void run() },
      { key: 'Control+.', does: 'Stop', run: stop },
      { key: 'Control+s', does: 'Save', run: save },
      { key: 'Escape', does: 'Back', run: () => go('/') },
    ],
  }
}

/** @param {Record<string, any>} limits */
function limitWords(limits) {
  const seconds = limits?.seconds ?? limits?.time_s ?? limits?.query_seconds
  const rows = limits?.rows ?? limits?.result_rows
  const parts = [seconds ? `${seconds} s` : '', rows ? counted(rows, 'row') : ''].filter(Boolean)
  return parts.length > 0 ? `limits: ${parts.join(', ')}` : ''
}
