// What the SQL page uses of CodeMirror, and no more. README.md beside this folder says how it becomes codemirror.mjs.
export { EditorState, Compartment, Prec } from '@codemirror/state'
export { EditorView, keymap, lineNumbers, drawSelection, highlightActiveLine, placeholder, Decoration } from '@codemirror/view'
export { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
export { HighlightStyle, syntaxHighlighting, bracketMatching, syntaxTree } from '@codemirror/language'
export { autocompletion, acceptCompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
export { setDiagnostics } from '@codemirror/lint'
export { sql, PostgreSQL, keywordCompletionSource } from '@codemirror/lang-sql'
export { tags } from '@lezer/highlight'
