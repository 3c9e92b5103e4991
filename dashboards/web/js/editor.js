// The SQL editor: CodeMirror inside an open shadow root, where it styles itself by constructed sheets, which the CSP
// allows; in the plain document its style element would be blocked. Tab stays unbound, so that it leaves the editor.

import { h } from './dom.js'

// Unchecked on purpose: a bundle without types; vendor/README.md says what it is made of.
const LIBRARY = '../vendor/codemirror/codemirror.mjs'

/** @typedef {{
 *   root: HTMLElement, text: () => string, set: (text: string) => void, statement: () => string,
 *   problem: (at: {line: number, column: number, message: string} | null) => void,
 *   complete: (catalog: import('./shapes').Catalog) => void, insert: (text: string) => void, focus: () => void, destroy: () => void,
 * }} Editor */

/** @param {{text: string, label: string, onChange: (text: string) => void, onRun: () => void, onStop: () => void, onSave: () => void}} how @returns {Promise<Editor>} */
export async function editor({ text, label, onChange, onRun, onStop, onSave }) {
  const cm = await import(LIBRARY)
  const root = h('div', { class: 'editor' })
  const shadow = root.attachShadow({ mode: 'open' })
  const language = new cm.Compartment()
  const does = (/** @type {() => void} */ act) => () => {
    act()
    return true
  }
  const view = new cm.EditorView({
    root: shadow,
    parent: shadow,
    state: cm.EditorState.create({
      doc: text,
      extensions: [
        cm.Prec.highest(cm.keymap.of([
          { key: 'Mod-Enter', run: does(onRun) }, { key: 'Mod-.', run: does(onStop) }, { key: 'Mod-s', run: does(onSave), preventDefault: true },
        ])),
        cm.lineNumbers(), cm.history(), cm.drawSelection(), cm.bracketMatching(), cm.closeBrackets(), cm.highlightActiveLine(),
        cm.autocompletion({ icons: false, activateOnTyping: true }),
        language.of(cm.sql({ dialect: cm.PostgreSQL })),
        cm.syntaxHighlighting(highlight(cm)), theme(cm),
        cm.EditorView.lineWrapping,
        cm.EditorView.contentAttributes.of({ 'aria-label': label, 'aria-multiline': 'true', spellcheck: 'false', autocapitalize: 'off' }),
        cm.EditorView.updateListener.of((/** @type {any} */ update) => {
          if (update.docChanged) onChange(update.state.doc.toString())
        }),
        cm.keymap.of([...cm.closeBracketsKeymap, ...cm.defaultKeymap, ...cm.historyKeymap, ...cm.completionKeymap]),
      ],
    }),
  })

  return {
    root,
    text: () => view.state.doc.toString(),
    set(next) {
      if (view.state.doc.toString() !== next) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } })
    },
    statement() {
      const { from, to, empty, head } = view.state.selection.main
      const all = view.state.doc.toString()
      return empty ? statementAt(all, head) : all.slice(from, to)
    },
    problem(at) {
      if (!at) return view.dispatch(cm.setDiagnostics(view.state, []))
      const line = view.state.doc.line(Math.min(Math.max(1, at.line), view.state.doc.lines))
      const from = Math.min(line.from + Math.max(0, at.column - 1), line.to)
      view.dispatch(cm.setDiagnostics(view.state, [{ from, to: Math.min(Math.max(from + 1, from), view.state.doc.length), severity: 'error', message: at.message }]), { selection: { anchor: from }, scrollIntoView: true })
    },
    complete(catalog) {
      const schema = Object.fromEntries(catalog.tables.map((table) => [table.name, {
        self: { label: table.name, type: 'type', info: table.meaning },
        children: table.columns.map((column) => ({ label: column.name, type: 'property', detail: [column.type, column.unit].filter(Boolean).join(', '), info: column.meaning ?? undefined })),
      }]))
      const main = catalog.tables.find((table) => table.name === 'events') ? 'events' : catalog.tables[0]?.name
      view.dispatch({ effects: language.reconfigure(cm.sql({ dialect: cm.PostgreSQL, schema, defaultTable: main })) })
    },
    insert(word) {
      view.dispatch(view.state.replaceSelection(word))
      view.focus()
    },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  }
}

/** The statement that the caret stands in: text between semicolons outside of quotes and comments.
 * @param {string} text @param {number} at */
export function statementAt(text, at) {
  let begin = 0
  for (const end of [...ends(text), text.length]) {
    const part = text.slice(begin, end)
    if (at <= end && part.trim() !== '') return part.trim()
    if (end >= text.length || text.slice(end + 1).trim() === '') return part.trim()
    begin = end + 1
  }
  return text.trim()
}

/** Where statements end. @param {string} text @returns {number[]} */
function ends(text) {
  const found = []
  for (const token of text.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|;/g)) if (token[0] === ';') found.push(token.index)
  return found
}

/** @param {any} cm */
const highlight = (cm) => cm.HighlightStyle.define([
  { tag: cm.tags.keyword, color: 'var(--accent)', fontWeight: '600' },
  { tag: [cm.tags.string, cm.tags.special(cm.tags.string)], color: 'var(--c-permission-text)' },
  { tag: [cm.tags.number, cm.tags.bool, cm.tags.null], color: 'var(--c-key-text)' },
  { tag: cm.tags.comment, color: 'var(--ink-3)' },
  { tag: cm.tags.typeName, color: 'var(--c-identity-text)' },
])

/** @param {any} cm */
const theme = (cm) => cm.EditorView.theme({
  '&': { color: 'var(--ink)', backgroundColor: 'var(--surface)', fontSize: '0.875rem', border: '1px solid var(--edge)', borderRadius: '4px' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '2px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5', minHeight: '8.5rem', maxHeight: '24rem', overflow: 'auto' },
  '.cm-content': { caretColor: 'var(--ink)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--ink-3)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'transparent' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { backgroundColor: 'var(--selected)' },
  '.cm-tooltip': { backgroundColor: 'var(--surface)', color: 'var(--ink)', border: '1px solid var(--edge)', borderRadius: '4px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--selected)', color: 'var(--ink)' },
  '.cm-completionDetail': { color: 'var(--ink-3)', fontStyle: 'normal' },
  '.cm-completionInfo': { maxWidth: '20rem', padding: '4px 8px' },
})
