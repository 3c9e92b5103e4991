// Reports: the list, grouped by question, each with the one question it answers.

import { go, param, patch } from '../address.js'
import { catalog } from '../catalog.js'
import { capital, fill, h } from '../dom.js'
import { counted } from '../numbers.js'
import { empty, panel } from '../panel.js'
import { tell } from '../announce.js'

/** @typedef {import('../shapes').Report} Report */

/** @returns {import('../shapes').Page} */
export function open() {
  const heading = h('h1', { tabindex: '-1' }, 'Which standing answer do you want?')
  const input = h('input', { id: 'find-report', type: 'search', value: param('q') ?? '', autocomplete: 'off', spellcheck: 'false' })
  /** @type {Report[]} */
  let all = []
  const list = panel({
    what: 'the reports',
    load: () => catalog(),
    show: (found, body) => {
      all = found.reports
      draw(body)
    },
  })

  /** @param {HTMLElement} body */
  function draw(body) {
    const words = input.value.trim().toLowerCase().split(/\s+/).filter(Boolean)
    const shown = all.filter((one) => words.every((word) => `${one.name} ${one.title} ${one.question} ${one.group}`.toLowerCase().includes(word)))
    const groups = Map.groupBy(shown, (one) => one.group || 'Other')
    fill(body, shown.length === 0 ? empty(`No report speaks of ${input.value.trim()}.`) : h('div', { class: 'report-groups' }, [...groups].map(([name, reports]) => h('section', null, h('h2', null, capital(name)),
      h('ul', { class: 'reports' }, reports.map((report) => h('li', null, h('a', { href: `/reports/${encodeURIComponent(report.name)}` }, report.title), h('p', null, report.question))))))))
    tell(counted(shown.length, 'report'))
  }

  input.addEventListener('input', () => {
    patch({ q: input.value.trim() || null }, { replace: true })
    draw(list.body)
  })
  list.reload()
  return {
    title: 'Reports',
    root: h('div', { class: 'page' }, heading, h('div', { class: 'bar' }, h('label', { for: 'find-report' }, 'Find a report'), input), list.root),
    leave: list.stop,
    keys: [
      { key: 'j', does: 'Next report', run: () => move(1) },
      { key: 'k', does: 'Previous report', run: () => move(-1) },
      { key: 'Escape', does: 'Back', run: () => go('/') },
    ],
  }

  /** @param {1 | -1} step */
  function move(step) {
    const links = /** @type {HTMLElement[]} */ ([...list.root.querySelectorAll('.reports a')])
    const at = links.indexOf(/** @type {HTMLElement} */ (document.activeElement))
    links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))]?.focus()
  }
}
