// A panel owns its states: waiting, shown, empty, failed. One slow or failed panel never blanks another, and what was
// shown stays on screen, greyed with its time, when a later answer fails.

import { Failure, isAbort } from './api.js'
import { append, copy, fill, h, say } from './dom.js'
import { duration } from './numbers.js'
import { clock } from './times.js'

let count = 0

/** @typedef {{root: HTMLElement, body: HTMLElement, reload: () => void, stop: () => void}} Panel */

/** @template T
 * @param {{
 *   what: string,
 *   heading?: string,
 *   tools?: import('./dom.js').Child,
 *   size?: 'line' | 'list' | 'chart',
 *   skeleton?: () => HTMLElement,
 *   load: (signal: AbortSignal) => Promise<T>,
 *   show: (data: T, body: HTMLElement) => void,
 *   onFail?: () => void,
 * }} of `what` completes "Could not load …"
 * @returns {Panel} */
export function panel({ what, heading, tools, size = 'list', skeleton, load, show, onFail }) {
  count += 1
  const name = `panel-${count}`
  const note = h('div', { class: 'note' })
  const body = h('div', { class: 'body' })
  const root = h('section', heading ? { class: 'panel', 'aria-labelledby': name } : { class: 'panel' })
  append(root, [heading ? h('header', null, h('h2', { id: name }, heading), h('div', { class: 'tools' }, tools)) : null, note, body])

  let shownAt = 0
  let abort = new AbortController()
  /** @type {ReturnType<typeof setTimeout>[]} */
  let timers = []
  const settle = () => {
    for (const timer of timers) clearTimeout(timer)
    timers = []
  }

  async function reload() {
    abort.abort()
    settle()
    abort = new AbortController()
    const { signal } = abort
    wait(signal)
    try {
      const data = await load(signal)
      if (signal.aborted) return
      settle()
      fill(note)
      root.classList.remove('stale')
      root.removeAttribute('aria-busy')
      show(data, body)
      shownAt = Date.now()
    } catch (error) {
      if (isAbort(error) || signal.aborted) return
      settle()
      root.removeAttribute('aria-busy')
      failed(error)
    }
  }

  /** @param {AbortSignal} signal */
  function wait(signal) {
    const began = performance.now()
    root.setAttribute('aria-busy', 'true')
    timers.push(setTimeout(() => {
      if (shownAt === 0) fill(body, skeleton ? skeleton() : bars(size))
    }, 150))
    timers.push(setTimeout(() => {
      const text = h('span')
      const tick = () => {
        if (signal.aborted) return
        say(text, `Still reading, ${duration(Math.floor((performance.now() - began) / 1000) * 1000)}. `)
        timers.push(setTimeout(tick, 1000))
      }
      fill(note, h('p', { class: 'hint' }, text, h('button', { type: 'button', class: 'link', onclick: cancel }, 'Cancel')))
      tick()
    }, 2000))
  }

  function cancel() {
    abort.abort()
    settle()
    root.removeAttribute('aria-busy')
    if (shownAt === 0) fill(body)
    fill(note, h('p', { class: 'hint' }, 'Cancelled. ', again('Read again')))
  }

  const again = (/** @type {string} */ label) => h('button', { type: 'button', class: 'link', onclick: reload }, label)

  /** @param {unknown} error */
  function failed(error) {
    if (shownAt === 0) fill(body)
    else root.classList.add('stale')
    const old = shownAt === 0 ? null : h('span', { class: 'old' }, ` Data from ${clock(shownAt, { to: 'second' })}.`)
    fill(note, h('div', { class: 'failure', role: 'alert' }, h('p', null, failureText(what, error), old), actions(error)))
    if (error instanceof Failure && error.kind === 'limited') countDown(error.retryAfter || 10)
    onFail?.()
  }

  /** @param {unknown} error */
  function actions(error) {
    if (error instanceof Failure && ['limited', 'forbidden', 'signed-out'].includes(error.kind)) return null
    return h('p', { class: 'actions' }, again('Try again'), ' · ', detailsButton(what, error))
  }

  /** @param {number} seconds */
  function countDown(seconds) {
    const text = h('p', { class: 'hint' })
    fill(note, text)
    const until = Date.now() + seconds * 1000
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000)
      if (left <= 0) {
        void reload()
        return
      }
      say(text, `Too many requests. Next try in ${left} s.`)
      timers.push(setTimeout(tick, 1000))
    }
    tick()
  }

  return {
    root,
    body,
    reload,
    stop() {
      abort.abort()
      settle()
    },
  }
}

/** @param {string} what @param {unknown} error */
export function failureText(what, error) {
  if (!(error instanceof Failure)) return `Could not load ${what}. The answer cannot be read. ${error instanceof Error ? error.message : ''}`.trim()
  switch (error.kind) {
    case 'timeout': {
      const seconds = error.body?.limit_s ?? /(\d+) s/.exec(`${error.title} ${error.detail}`)?.[1] ?? 30
      return `Stopped after ${seconds} s. Narrow the range or choose a tenant.`
    }
    case 'signed-out':
      return 'Sign in to see this page. The link is kept.'
    case 'forbidden':
      return forbiddenText(error)
    default:
      return [`Could not load ${what}.`, error.title, error.hint].filter(Boolean).join(' ')
  }
}

/** @param {Failure} failure @param {boolean} [writing] */
export function forbiddenText(failure, writing = false) {
  const scope = failure.body?.scope ?? /`([a-z:]+)`/.exec(`${failure.title} ${failure.detail} ${failure.hint}`)?.[1]
  if (!scope) return [failure.title, failure.hint].filter(Boolean).join(' ')
  return `Your token lacks the scope \`${scope}\`.${writing ? ' You can read, not change.' : ''}`
}

/** @param {string} what @param {unknown} error */
function detailsButton(what, error) {
  const failure = error instanceof Failure ? error : null
  const label = failure?.id ? `Copy details (id ${failure.id})` : 'Copy details'
  const details = {
    what, at: new Date().toISOString(), page: location.pathname,
    status: failure?.status, title: failure?.title ?? String(error), detail: failure?.detail, hint: failure?.hint, id: failure?.id,
  }
  const button = h('button', { type: 'button', class: 'link' }, label)
  button.addEventListener('click', () => copy(JSON.stringify(details, null, 2), button))
  return button
}

/** Bars of the final height, so that nothing jumps when the answer comes. @param {'line' | 'list' | 'chart'} size */
export function bars(size) {
  if (size === 'chart') return h('div', { class: 'skeleton chart', 'aria-hidden': 'true' })
  const rows = size === 'line' ? 1 : 6
  return h('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: rows }, () => h('div')))
}

/** "0 refusals in this range…", "No requests received…": a sentence where a chart or a table would be. @param {...import('./dom.js').Child} text */
export const empty = (...text) => h('p', { class: 'empty' }, text)
