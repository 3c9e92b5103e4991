// Who is asking, and the way in. The shell of a page needs no proof: the first call decides, so that a link opened from
// a pager works although its first request carries no SameSite cookie.

import { Failure, get, send } from './api.js'
import { h, say } from './dom.js'
import { wipe } from './storage.js'

/** @typedef {import('./shapes').Session} Session */

/** @type {Session | null} */
let session = null
export const current = () => session

/** @param {string} scope */
export const may = (scope) => session === null || session.scopes.includes(scope)

/** @returns {Promise<Session>} */
export async function whoami() {
  session = /** @type {Session} */ (await get('/v1/session'))
  return session
}

export async function signOut() {
  try {
    await send('/v1/session', undefined, { method: 'DELETE' })
  } finally {
    session = null
    wipe()
    document.dispatchEvent(new CustomEvent('signed-out'))
  }
}

/** @param {() => void} onDone */
export function signInPanel(onDone) {
  const problem = h('p', { class: 'failure', role: 'alert' })
  const input = h('input', { id: 'token', name: 'token', type: 'password', autocomplete: 'current-password', spellcheck: 'false', autocapitalize: 'off', required: true, 'aria-describedby': 'token-help' })
  const button = h('button', { type: 'submit', class: 'primary' }, 'Sign in')
  const form = h('form', { onsubmit: enter, class: 'form' },
    h('label', { for: 'token' }, 'Token'), input,
    h('p', { id: 'token-help', class: 'hint' }, 'Made by ', h('code', null, 'claviger token create'), '. It becomes a cookie of this browser and is kept nowhere else.'),
    problem, h('div', { class: 'row' }, button))

  /** @param {SubmitEvent} event */
  async function enter(event) {
    event.preventDefault()
    const token = input.value.trim()
    if (!token) return
    button.disabled = true
    say(problem, '')
    try {
      await send('/v1/session', { token })
      input.value = ''
      await whoami()
      onDone()
    } catch (error) {
      say(problem, error instanceof Failure && error.kind === 'signed-out' ? 'This token is not known, has expired or was revoked.' : error instanceof Failure ? [error.title, error.hint].filter(Boolean).join(' ') : 'Could not sign in.')
      input.select()
    } finally {
      button.disabled = false
    }
  }

  return h('section', { class: 'sign-in' }, h('h1', { tabindex: '-1' }, 'Sign in to see this page.'), h('p', null, 'The link is kept.'), form)
}
