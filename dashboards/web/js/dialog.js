// A <dialog> that gives the focus back, and answers with what was chosen.

import { h, append } from './dom.js'

let count = 0

/** @param {string} title @param {(import('./dom.js').Child)[]} body @param {{wide?: boolean, onClose?: () => void}} [how] @returns {HTMLDialogElement} */
export function open(title, body, { wide = false, onClose } = {}) {
  count += 1
  const name = `dialog-${count}`
  const before = document.activeElement
  const dialog = h('dialog', { 'aria-labelledby': name, class: wide ? 'wide' : null })
  const close = h('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Close')
  append(dialog, [h('header', null, h('h2', { id: name }, title), close), body])
  dialog.addEventListener('close', () => {
    dialog.remove()
    if (before instanceof HTMLElement && before.isConnected) before.focus()
    onClose?.()
  })
  // A click on the backdrop lands on the dialog itself, outside of its box.
  dialog.addEventListener('click', (event) => {
    if (event.target !== dialog) return
    const box = dialog.getBoundingClientRect()
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom
    if (!inside) dialog.close()
  })
  document.body.append(dialog)
  dialog.showModal()
  const field = /** @type {HTMLElement | null} */ (dialog.querySelector('textarea, form input:not([type="radio"]):not([hidden])'))
  field?.focus()
  return dialog
}
