// What a person does to an incident. Every act carries the version that was seen, so that one that races another changes
// nothing; every act that hides something asks for its end and its reason.

import { Failure, get, send } from '../api.js'
import { tell } from '../announce.js'
import { open } from '../dialog.js'
import { fill, h, say } from '../dom.js'
import { counted, rate } from '../numbers.js'
import { failureText, forbiddenText } from '../panel.js'
import { isTime } from '../range.js'

/** @typedef {import('../shapes').Incident} Incident */

/** @param {Incident} incident @param {string} what @param {Record<string, unknown>} [more]
 *  @returns {Promise<Incident | null>} null when nothing changed; why is said */
export async function act(incident, what, more = {}) {
  try {
    const after = /** @type {Incident | null} */ (await send(`/v1/incidents/${encodeURIComponent(incident.id)}/${what}`, { version: incident.version, ...more }))
    return after ?? incident
  } catch (error) {
    tell(actFailure(error))
    document.dispatchEvent(new CustomEvent('act-failed', { detail: actFailure(error) }))
    return null
  }
}

/** @param {unknown} error */
export function actFailure(error) {
  if (error instanceof Failure && error.kind === 'conflict') return `${error.title.replace(/\.$/, '')}. Nothing changed.`
  if (error instanceof Failure && error.kind === 'forbidden') return forbiddenText(error, true)
  if (error instanceof Failure && error.kind === 'limited') return `Too many requests. Next try in ${error.retryAfter || 10} s.`
  return failureText('the change', error).replace(/^Could not load the change\./, 'Nothing changed.')
}

/** A form in a dialog that acts and closes, or says why not.
 * @param {string} title @param {import('../dom.js').Child[]} fields @param {() => string} verb
 * @param {() => Promise<Incident | null> | null} submit @param {() => void} done */
function form(title, fields, verb, submit, done) {
  const problem = h('p', { class: 'failure', role: 'alert' })
  const button = h('button', { type: 'submit', class: 'primary' }, verb())
  const node = h('form', { class: 'form', onsubmit: async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault()
    const running = submit()
    if (!running) return
    button.disabled = true
    const failed = (/** @type {any} */ { detail }) => say(problem, detail)
    document.addEventListener('act-failed', failed)
    const after = await running
    document.removeEventListener('act-failed', failed)
    button.disabled = false
    if (after) {
      dialog.close()
      done()
    }
  }, oninput: () => say(button, verb()), onchange: () => say(button, verb()) }, fields, problem, h('div', { class: 'row' }, button, h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel')))
  const dialog = open(title, [node])
  return { dialog, problem }
}

const DURATIONS = /** @type {[string, string, number | null][]} */ ([['1h', '1 h', 3600], ['4h', '4 h', 14_400], ['resolved', 'until resolved, 7 d at most', 604_800], ['until', 'until a time', null]])

/** @param {Incident} incident @param {() => void} done */
export function silenceDialog(incident, done) {
  const reason = h('textarea', { id: 'reason', required: true, rows: 2, maxlength: 2000 })
  const until = h('input', { id: 'until', placeholder: '2026-11-23T06:00Z', autocomplete: 'off', hidden: true, 'aria-label': 'Until' })
  const preview = h('p', { class: 'hint' }, reach(incident))
  let chosen = '4h'
  const options = h('fieldset', null, h('legend', null, 'For how long'), h('div', { class: 'segments' }, DURATIONS.map(([value, label]) => h('label', null,
    h('input', { type: 'radio', name: 'for', value, checked: value === chosen, onchange: () => {
      chosen = value
      until.hidden = value !== 'until'
    } }), h('span', null, label)))))
  const label = () => (chosen === 'until' ? 'Silence until then' : `Silence ${chosen === 'resolved' ? 'until resolved' : `for ${DURATIONS.find(([value]) => value === chosen)?.[1]}`}`)
  const { problem } = form('Silence this incident', [options, until, preview, h('label', { for: 'reason' }, 'Reason (who reads the list sees it)'), reason], label, () => {
    const seconds = DURATIONS.find(([value]) => value === chosen)?.[2] ?? (isTime(until.value.trim()) ? Math.round((Date.parse(until.value.trim()) - Date.now()) / 1000) : null)
    if (seconds === null || seconds <= 0) {
      say(problem, 'Not a time to come. Example: 2026-11-23T06:00Z')
      return null
    }
    return act(incident, 'silence', { note: reason.value.trim(), for_s: seconds })
  }, done)
  get(`/v1/incidents/${encodeURIComponent(incident.id)}/silence`).then(
    (/** @type {any} */ found) => say(preview, `${reach(incident)} It would hide ${counted(found.open ?? 0, 'open incident')} and ${counted(found.findings ?? 0, 'finding')} of the past week.`),
    () => {
      // No preview from the server: the sentence above says what is silenced.
    },
  )
}

/** @param {Incident} incident */
const reach = (incident) => `No notices about ${incident.title}${incident.tenant ? ` (tenant ${incident.tenant})` : ''}. The incident stays in the list.`

/** @param {Incident} incident @param {() => void} done */
export function noteDialog(incident, done) {
  const note = h('textarea', { id: 'note', required: true, rows: 4, maxlength: 2000 })
  form('Add a note', [h('label', { for: 'note' }, 'Note'), note], () => 'Add note', () => act(incident, 'note', { note: note.value.trim() }), done)
}

/** @param {Incident} incident @param {() => void} done @param {number | null} [stillPerMinute] */
export function resolveDialog(incident, done, stillPerMinute = null) {
  const note = h('textarea', { id: 'note', rows: 2, maxlength: 2000 })
  form('Resolve this incident', [
    stillPerMinute !== null && stillPerMinute > 0 ? h('p', { class: 'warning-line' }, `Still failing, ${rate(stillPerMinute)}. It will reopen.`) : null,
    h('label', { for: 'note' }, 'What ended it (optional)'), note], () => 'Resolve incident', () => act(incident, 'resolve', { note: note.value.trim() }), done)
}

/** @param {Incident} incident @param {() => void} done */
export function feedbackDialog(incident, done) {
  const note = h('textarea', { id: 'note', rows: 2, maxlength: 2000 })
  const root = h('div', { class: 'form' }, h('label', { for: 'note' }, 'Why (optional)'), note)
  const problem = h('p', { class: 'failure', role: 'alert' })
  const answer = async (/** @type {boolean} */ benign) => {
    const after = await act(incident, 'feedback', { benign, note: note.value.trim() })
    if (!after) return say(problem, 'Nothing changed.')
    dialog.close()
    done()
  }
  const dialog = open('Was this a real problem?', [root, problem, h('div', { class: 'row' },
    h('button', { type: 'button', onclick: () => answer(false) }, 'Real problem'), h('button', { type: 'button', onclick: () => answer(true) }, 'Not a problem'))])
  fill(problem)
}
