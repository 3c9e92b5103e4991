// What must stand before the first paint, as a classic script because a module would run after it:
// the theme that was chosen, and the one trusted-types policy, which lets no HTML string through.
(() => {
  try {
    const chosen = localStorage.getItem('claviger.theme')
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
    if (localStorage.getItem('claviger.patterns') === 'on') document.documentElement.dataset.patterns = 'on'
  } catch {
    // Storage is switched off: the system's theme holds.
  }
  // The type checker's DOM does not know trusted types yet.
  const { trustedTypes } = /** @type {any} */ (window)
  if (trustedTypes) {
    trustedTypes.createPolicy('default', {
      // Libraries empty an element by assigning ''. Everything else is an injection, and throws.
      createHTML(/** @type {string} */ text) {
        if (text === '') return ''
        throw new TypeError('no HTML strings here: build nodes')
      },
    })
  }
})()
