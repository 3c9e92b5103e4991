// Diagnose: why was this refused, and what fixes it? The verdict first, then the fix with its owner, then the six steps.
// What is asked travels in a body always: a pasted key is in no address, no history, no storage and no log.

import { diagnoseHref, entityHref, go, incidentHref, param, parts, patch, sqlHref } from '../address.js'
import { Failure, ask, isAbort, send } from '../api.js'
import { tell } from '../announce.js'
import { cause, classTag, deniedBy } from '../catalog.js'
import { capital, copy, fill, h, hostile, id as shortId, say, withCode } from '../dom.js'
import { guess } from '../find.js'
import { take } from '../handover.js'
import { full } from '../numbers.js'
import { failureText } from '../panel.js'
import { facts } from '../table.js'
import { when } from '../times.js'
import { asMarkdown, asTicket } from './diagnosis_text.js'
import { stepsOf } from './diagnosis_steps.js'

/** @typedef {import('../shapes').Diagnosis} Diagnosis */

const STEPS = ['Key and its use', 'Account behind it', 'Lifecycle', 'API rules', 'Platform', 'Network']

/** @returns {import('../shapes').Page} */
export function open() {
  const heading = h('h1', { tabindex: '-1' }, 'Why was this refused?')
  const says = h('p', { class: 'hint', id: 'box-says' }, 'Paste what the caller sent you: a request id, an error, or the key itself.')
  const input = h('input', { id: 'box', name: 'box', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', 'aria-describedby': 'box-says', placeholder: 'Request id, key id, user, tenant, incident, or paste a key (hashed on arrival, never kept)' })
  const form = h('form', { class: 'box', onsubmit: submitted }, h('label', { for: 'box', class: 'unseen' }, 'What to diagnose'), input, h('button', { type: 'submit', class: 'primary' }, 'Diagnose'))
  const answer = h('div', { class: 'answer' })
  const root = h('div', { class: 'page diagnose' }, form, says, heading, answer)
  let abort = new AbortController()
  /** @type {Diagnosis | null} */
  let shown = null
  /** @type {ReturnType<typeof import('../chart.js').figure> | null} */
  let chart = null
  let asked = ''
  const pictures = import('../pictures.js')

  input.addEventListener('input', () => {
    const found = guess(input.value)
    input.classList.toggle('masked', found?.secret ?? false)
    say(says, found?.says ?? 'Paste what the caller sent you: a request id, an error, or the key itself.')
  })

  /** @param {SubmitEvent} event */
  function submitted(event) {
    event.preventDefault()
    const found = guess(input.value)
    if (!found) return input.focus()
    input.value = ''
    input.classList.remove('masked')
    if (found.kind === 'pasted' || found.kind === 'auto') void ask_(found.kind, found.id)
    else go(diagnoseHref(found.kind, found.id))
  }

  /** @param {string} kind @param {string} id */
  async function ask_(kind, id) {
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    asked = JSON.stringify([kind, id, param('at')])
    answer.setAttribute('aria-busy', 'true')
    fill(answer, h('ol', { class: 'steps waiting', 'aria-hidden': 'true' }, STEPS.map((name) => h('li', null, name))))
    try {
      const at = param('at')
      const found = /** @type {Diagnosis} */ (await send('/v1/diagnose', { kind, id, ...(at ? { at } : {}) }, { signal }))
      if (signal.aborted) return
      if (kind === 'pasted' || kind === 'auto') {
        if ((found.others ?? []).length > 1 && !found.verdict) return showOthers(found)
        asked = JSON.stringify([found.subject.kind, found.subject.id, at])
        shown = found
        go(diagnoseHref(found.subject.kind, found.subject.id))
      }
      showVerdict(found)
    } catch (error) {
      if (isAbort(error)) return
      failed(kind, id, error)
    } finally {
      if (!signal.aborted) answer.removeAttribute('aria-busy')
    }
  }

  /** @param {string} kind @param {string} id @param {unknown} error */
  function failed(kind, id, error) {
    if (error instanceof Failure && error.kind === 'missing') {
      // What was pasted may be a key: it is not repeated.
      const what = kind === 'pasted' ? 'No id in this text was ever seen.' : `Never seen: ${id.length > 24 ? `${id.slice(0, 12)}…${id.slice(-6)}` : id}.`
      say(heading, what)
      const candidates = error.body?.others ?? error.body?.candidates
      fill(answer, h('p', null, [error.title, error.hint].filter(Boolean).join(' ')), Array.isArray(candidates) ? others(candidates) : null)
      return
    }
    fill(answer, h('div', { class: 'failure', role: 'alert' }, h('p', null, failureText('the diagnosis', error)),
      kind === 'pasted' ? null : h('p', null, h('button', { type: 'button', class: 'link', onclick: () => ask_(kind, id) }, 'Try again'))))
  }

  /** @param {Diagnosis} found */
  function showOthers(found) {
    say(heading, `${full(found.others?.length ?? 0)} things answer to this. Which one?`)
    fill(answer, others(found.others ?? []))
  }

  /** @param {{kind: string, id: string, label: string}[]} list */
  const others = (list) => h('ul', { class: 'choices' }, list.map((one) => h('li', null, h('a', { href: diagnoseHref(one.kind, one.id) }, h('span', { class: 'kind' }, one.kind), hostile(one.label)))))

  /** @param {Diagnosis} found */
  function showVerdict(found) {
    shown = found
    chart?.dispose()
    chart = null
    const { verdict } = found
    say(heading, sentence(found))
    document.title = `${verdict?.label || 'Diagnose'} · Claviger`
    fill(answer,
      verdictLine(found), subjectLine(found), fix(found), contradiction(found), missing(found),
      h('section', { class: 'panel', 'aria-labelledby': 'steps' }, h('header', null, h('h2', { id: 'steps' }, 'Steps')), stepsOf(found.steps)),
      timeline(found), callers(found), doneWhen(found), alternatives(found), actions(found))
    tell(heading.textContent ?? '')
  }

  /** @param {Diagnosis} found */
  function sentence(found) {
    const { verdict } = found
    if (!verdict) return served(found)
    if (verdict.missing_field && verdict.cause === 'undecidable') return `Cannot be decided: the access log has no ${verdict.missing_field} field.`
    if (!verdict.cause) return verdict.sentence || served(found)
    return verdict.sentence || `Refused: ${verdict.label}.`
  }

  /** @param {Diagnosis} found */
  function served(found) {
    const status = found.request?.status
    const good = found.steps.every((step) => step.result !== 'fail')
    if (!found.request) return good ? 'Nothing speaks against it: key, user and scope are in order.' : 'A check fails, and no request shows it yet.'
    return `This request was served (${status ?? '2xx'}). Should it have been? ${good ? 'Yes: key, user and scope were in order.' : 'No: a check fails.'}`
  }

  /** @param {Diagnosis} found */
  function verdictLine(found) {
    const { verdict, subject } = found
    return h('p', { class: 'verdict' },
      verdict?.cause ? [classTag(verdict.class), ' · '] : null,
      verdict?.confidence ? [h('b', null, capital(verdict.confidence)), ' · '] : null,
      `${subject.kind} `, shortId(subject.label || subject.id),
      verdict?.denied_by ? ` · said no: ${deniedBy(verdict.denied_by)}` : null,
      h('span', { class: 'asof' }, ` · as of ${when(found.at, { to: 'second' })}${found.snapshot_version ? ` (snapshot ${shortVersion(found.snapshot_version)})` : ''}`))
  }

  /** @param {Diagnosis} found */
  function subjectLine(found) {
    const request = found.request
    if (!request) return null
    const pairs = ['method', 'path', 'route', 'status', 'gateway', 'credential_mask', 'key_id', 'principal_id', 'tenant_id', 'client_address', 'user_agent', 'gateway_message']
      .filter((name) => request[name] !== null && request[name] !== undefined && request[name] !== '')
      .map((name) => /** @type {[string, import('../dom.js').Child]} */ ([name.replaceAll('_', ' '), valueOf(name, request[name])]))
    if (pairs.length === 0) return null
    return h('details', { class: 'request' }, h('summary', null, requestWords(request)), facts('The request', pairs))
  }

  /** @param {import('../shapes').Row} request */
  const requestWords = (request) => ['The request: ', [request.method, request.route ?? request.path].filter(Boolean).join(' '), request.status ? ` → ${request.status}` : '', request.event_at ? `, ${when(String(request.event_at), { to: 'second' })}` : ''].join('')

  /** @param {Diagnosis} found */
  function fix(found) {
    const { remedy } = found
    if (!remedy?.action || !found.verdict?.cause) return null
    const button = h('button', { type: 'button' }, 'Copy for ticket')
    button.addEventListener('click', () => copy(asTicket(found), button))
    const list = (/** @type {string} */ name, /** @type {string[] | undefined} */ values) => (values && values.length > 0 ? h('p', { class: 'needs' }, `${name}: `, values.map((value, index) => [index > 0 ? ', ' : '', h('code', null, hostile(value))])) : null)
    return h('section', { class: 'fix', 'aria-label': 'Fix' }, h('p', null, h('b', null, 'Fix'), ' ', remedy.owner ? h('span', { class: 'owner' }, `${capital(remedy.owner)}: `) : null, withCode(`${capital(remedy.action).replace(/\.$/, '')}.`)), list('Scopes', remedy.scopes), list('Settings', remedy.settings), h('div', { class: 'row' }, button))
  }

  /** @param {Diagnosis} found */
  const contradiction = (found) => (found.verdict?.contradiction ? h('p', { class: 'contradiction' }, h('b', { 'aria-hidden': 'true' }, '! '), hostile(found.verdict.contradiction)) : null)

  /** @param {Diagnosis} found */
  const missing = (found) => (found.verdict?.missing_field && found.verdict.cause !== 'undecidable' ? h('p', { class: 'hint' }, 'The field ', h('code', null, found.verdict.missing_field), ' in the access log would make this certain.') : null)

  /** @param {Diagnosis} found */
  function timeline(found) {
    const { timeline: line, subject } = found
    if (!line || line.buckets.length === 0) return null
    // The time after a request is still to come where it was made just now.
    const past = line.buckets.filter((bucket) => Date.parse(bucket) <= Date.now()).length
    const picture = {
      name: `${capital(subject.kind)} ${subject.kind === 'request' ? 'and its key' : subject.label || subject.id}`, states: line.states,
      data: { bucket_s: line.bucket_s, buckets: line.buckets.slice(0, past), requests: line.requests.slice(0, past), series: [{ class: found.verdict?.class ?? 'none', counts: line.failures.slice(0, past) }] },
    }
    const slot = h('div', { class: 'slot-lanes' })
    void pictures.then(({ figure, lanes }) => {
      if (shown !== found) return
      chart = figure(lanes(picture))
      slot.replaceChildren(chart.root)
    })
    return h('section', { class: 'panel', 'aria-labelledby': 'timeline' }, h('header', null, h('h2', { id: 'timeline' }, 'Timeline')), slot)
  }

  /** @param {Diagnosis} found */
  function callers(found) {
    if (found.callers.length === 0) return null
    return h('section', { class: 'panel', 'aria-labelledby': 'callers' }, h('header', null, h('h2', { id: 'callers' }, 'Callers to update')),
      h('div', { class: 'scroll', role: 'region', tabindex: '0', 'aria-label': 'Callers, with their calls a minute' }, h('table', null,
        h('thead', null, h('tr', null, [['Network'], ['Agent'], ['Route'], ['Calls', ' a minute'], ['Last']].map(([name, unit], index) => h('th', { scope: 'col', class: index === 3 ? 'number' : null }, name, unit ? h('span', { class: 'unit' }, unit) : null)))),
        h('tbody', null, found.callers.map((caller) => h('tr', null,
          h('th', { scope: 'row' }, caller.network ? h('a', { class: 'mono', href: entityHref('network', caller.network) }, hostile(caller.network)) : '–'),
          h('td', null, caller.agent ? hostile(caller.agent) : '–'), h('td', null, caller.route ? hostile(caller.route) : '–'),
          h('td', { class: 'number' }, full(Math.round(caller.per_minute * 10) / 10)), h('td', null, when(caller.last_at, { to: 'second' }))))))))
  }

  /** @param {Diagnosis} found */
  function doneWhen(found) {
    if (!found.done_when?.sql) return null
    const { sql, expected } = found.done_when
    return h('p', { class: 'done-when' }, h('b', null, 'Done when'), ' ', h('a', { href: sqlHref(sql) }, 'this query'), ` returns ${typeof expected === 'object' ? JSON.stringify(expected) : String(expected)}.`)
  }

  /** @param {Diagnosis} found */
  const alternatives = (found) => (found.alternatives.length === 0 ? null : h('div', { class: 'alternatives' }, h('b', null, 'Also possible'), h('ul', null,
    found.alternatives.map((one) => h('li', null, one.label || cause(one.cause), one.why ? [' – ', hostile(one.why)] : null)))))

  /** @param {Diagnosis} found */
  function actions(found) {
    const { subject } = found
    const markdown = h('button', { type: 'button' }, 'Copy as Markdown')
    markdown.addEventListener('click', () => copy(asMarkdown(found), markdown))
    const kind = ['key', 'principal', 'tenant'].includes(subject.kind) ? subject : found.request?.key_id ? { kind: 'key', id: String(found.request.key_id) } : null
    return h('div', { class: 'row actions' }, markdown,
      h('button', { type: 'button', onclick: bundle }, 'Support bundle'),
      kind ? h('a', { class: 'button', href: entityHref(kind.kind, kind.id) }, 'Open entity') : subject.kind === 'incident' ? h('a', { class: 'button', href: incidentHref(subject.id) }, 'Open incident') : null,
      h('a', { class: 'button', href: sqlHref(rowsOf(found)) }, 'Open in SQL'))
  }

  async function bundle() {
    if (!shown) return
    try {
      const bytes = await (await ask('/v1/bundle', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ kind: shown.subject.kind, id: shown.subject.id, at: shown.at }), accept: '*/*' })).blob()
      save(bytes, `claviger-bundle-${shown.subject.id.replace(/[^\w.-]/g, '_').slice(0, 24)}.tar`)
      tell('Support bundle downloaded.')
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      tell(failureText('the bundle', error))
    }
  }

  function run() {
    const [, kind, id] = parts()
    const handed = take()
    if (handed) return void ask_('pasted', handed)
    const found = param('find')
    if (!kind && found) {
      patch({ find: null }, { replace: true, quiet: true })
      return void ask_('auto', found)
    }
    if (!kind || !id) return
    if (asked === JSON.stringify([kind, id, param('at')])) return
    void ask_(kind, id)
  }

  run()
  return {
    title: 'Diagnose', root,
    refresh: run,
    leave() {
      abort.abort()
      chart?.dispose()
    },
    keys: [
      ...Array.from({ length: 6 }, (_, index) => ({ key: String(index + 1), does: index === 0 ? '1–6: open a step' : '', run: () => /** @type {HTMLElement | null} */ (answer.querySelector(`[data-step="${index + 1}"] > summary`))?.click() })),
      { key: 'm', does: 'Copy as Markdown', run: () => shown && void navigator.clipboard.writeText(asMarkdown(shown)).then(() => tell('Copied as Markdown.')) },
      { key: 'b', does: 'Support bundle', run: () => void bundle() },
    ],
  }
}

/** @param {string} version */
const shortVersion = (version) => /-([0-9a-f]{8})$/.exec(version)?.[1] ?? (version.length > 16 ? `${version.slice(0, 12)}…` : version)

/** @param {string} name @param {unknown} value */
function valueOf(name, value) {
  const kind = { key_id: 'key', principal_id: 'principal', tenant_id: 'tenant' }[name]
  return kind ? h('a', { href: entityHref(kind, String(value)) }, shortId(value)) : hostile(value)
}

/** @param {Blob} bytes @param {string} name */
function save(bytes, name) {
  const link = h('a', { href: URL.createObjectURL(bytes), download: name })
  document.body.append(link)
  link.click()
  link.remove()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/** @param {Diagnosis} found */
function rowsOf(found) {
  const columns = { request: 'request_id', key: 'key_id', principal: 'principal_id', tenant: 'tenant_id' }
  const column = columns[/** @type {keyof typeof columns} */ (found.subject.kind)]
  const where = column ? `where ${column} = '${found.subject.id.replaceAll("'", "''")}'\n` : ''
  return `select event_at, request_id, method, route, status, cause, confidence, client_network, user_agent\nfrom events\n${where}order by event_at desc\nlimit 200`
}
