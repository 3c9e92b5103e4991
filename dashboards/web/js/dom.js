// Building nodes. No HTML strings anywhere: text goes in as text.

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/** An element with attributes, listeners (`onclick`) and children.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any> | null} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]} */
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag)
  set(node, attributes)
  append(node, children)
  return node
}

/** The same for SVG.
 * @param {string} tag @param {Record<string, any> | null} [attributes] @param {...Child} children */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag)
  set(node, attributes)
  append(node, children)
  return node
}

/** @param {Element} node @param {Record<string, any> | null | undefined} attributes */
export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else if (name === 'value') /** @type {HTMLInputElement} */ (node).value = value
    else node.setAttribute(name, value === true ? '' : String(value))
  }
}

/** @param {Element} node @param {Child[]} children */
export function append(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    if (Array.isArray(child)) append(node, child)
    else node.append(child instanceof Node ? child : String(child))
  }
}

/** @param {Element} node @param {...Child} children */
export function fill(node, ...children) {
  node.replaceChildren()
  append(node, children)
}

/** Sets text only where it changed, so that a selection and a screen reader stay undisturbed.
 * @param {Node} node @param {string} text */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text
}

const LONGEST = 512
// C0, DEL, C1, zero-width and bidirectional controls: what could hide or reorder text.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Text from logs, with what would be invisible made visible. @param {unknown} value */
export function visible(value) {
  return String(value).replace(UNSEEN, (one) => {
    const code = one.charCodeAt(0)
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    if (code === 0x7f) return '\u2421'
    return `⟨${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
  })
}

/** Text that came from outside: isolated, at most 512 characters before "more".
 * @param {unknown} value @param {string} [className] @returns {HTMLElement} */
export function hostile(value, className) {
  const all = [...visible(value)]
  const node = h('bdi', className ? { class: className } : null)
  if (all.length <= LONGEST) {
    node.textContent = all.join('')
    return node
  }
  const more = h('button', { type: 'button', class: 'link', onclick: () => fill(node, all.join('')) }, 'more')
  append(node, [all.slice(0, LONGEST).join(''), '… ', more])
  return node
}

/** The first letter large: titles come in lower case. @param {string} text */
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1)

/** Text in which `…` marks what belongs on a command line. @param {string} text @returns {Child[]} */
export const withCode = (text) => text.split(/`([^`]+)`/).map((part, index) => (index % 2 === 1 ? h('code', null, hostile(part)) : part === '' ? null : hostile(part)))

/** An id in the fixed-width face, shortened in the middle; copies whole.
 * @param {unknown} value @param {number} [width] */
export function id(value, width = 28) {
  const text = visible(value)
  const letters = [...text]
  const shown = letters.length > width ? `${letters.slice(0, width - 9).join('')}…${letters.slice(-8).join('')}` : text
  const node = h('bdi', { class: 'mono', title: shown === text ? null : text }, shown)
  node.addEventListener('copy', (event) => {
    if (shown === text || String(getSelection()) !== shown) return
    event.clipboardData?.setData('text/plain', text)
    event.preventDefault()
  })
  return node
}

/** @param {string} text @param {HTMLElement} button says for two seconds that it was done */
export async function copy(text, button) {
  const before = button.textContent ?? ''
  try {
    await navigator.clipboard.writeText(text)
    button.textContent = 'Copied'
  } catch {
    button.textContent = 'Copy is blocked here'
  }
  setTimeout(() => say(button, before), 2000)
}
