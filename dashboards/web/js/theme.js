// Light, dark or the system's; patterns on or off; and the tokens as values that a canvas understands.

import { h } from './dom.js'
import { read, write } from './storage.js'

const media = (/** @type {string} */ query) => matchMedia(query)
const system = media('(prefers-color-scheme: dark)')
const contrast = media('(prefers-contrast: more)')
const forced = media('(forced-colors: active)')

const changed = () => document.dispatchEvent(new CustomEvent('theme'))
for (const query of [system, contrast, forced]) query.addEventListener('change', changed)

export const theme = () => document.documentElement.dataset.theme ?? 'system'

/** @param {string} name 'light', 'dark' or 'system' */
export function setTheme(name) {
  if (name === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = name
  write('theme', name === 'system' ? null : name)
  changed()
}

/** Patterns are drawn when they were switched on, and when the system asks for more contrast. */
export const patterns = () => read('patterns') === 'on' || contrast.matches || forced.matches

/** @param {boolean} on */
export function setPatterns(on) {
  write('patterns', on ? 'on' : null)
  changed()
}

/** @type {HTMLElement | null} */
let probe = null

/** A token's colour as it is now. Tokens are light-dark() pairs, which only an element resolves.
 * @param {string} token @returns {string} */
export function colour(token) {
  if (!probe) {
    probe = h('span', { class: 'unseen', 'aria-hidden': 'true' })
    document.body.append(probe)
  }
  probe.style.setProperty('color', `var(${token})`)
  return getComputedStyle(probe).color
}

/** @param {string} token */
export const style = (token) => getComputedStyle(document.documentElement).getPropertyValue(token).trim()

/** The same colour, more transparent. @param {string} rgb as getComputedStyle writes it @param {number} alpha */
export const faded = (rgb, alpha) => rgb.replace(/^rgba?\(([^,]+),\s*([^,]+),\s*([^,)]+).*$/, `rgba($1, $2, $3, ${alpha})`)
