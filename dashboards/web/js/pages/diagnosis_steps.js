// The six steps: the failed one open, the passed ones folded to one line, each check with its proof.

import { h, hostile, id } from '../dom.js'
import { facts } from '../table.js'
import { when } from '../times.js'

const MARKS = /** @type {Record<string, [string, string]>} */ ({ pass: ['✓', 'passed'], fail: ['✕', 'failed'], unknown: ['?', 'unknown'], skipped: ['–', 'not needed'] })

/** @param {string} result */
export const mark = (result) => h('span', { class: `mark ${result}` }, h('span', { 'aria-hidden': 'true' }, MARKS[result]?.[0] ?? '?'), h('span', { class: 'unseen' }, ` ${MARKS[result]?.[1] ?? result}: `))

/** @param {import('../shapes').Diagnosis['steps']} steps */
export const stepsOf = (steps) => h('div', { class: 'steps' }, steps.map((step) => h('details', { 'data-step': step.step, open: step.result === 'fail', class: step.result },
  h('summary', null, mark(step.result), h('span', { class: 'step-name' }, `${step.step} ${step.name}`), h('span', { class: 'step-sum' }, summary(step))),
  h('ul', { class: 'checks' }, step.checks.map(check)))))

/** @param {import('../shapes').Diagnosis['steps'][number]} step */
function summary(step) {
  const failed = step.checks.filter((one) => one.result === 'fail')
  // A check is called by what should be so: "the user is active".
  if (failed.length > 0) return `fails: ${failed.map((one) => one.name.replace(/^./, (first) => first.toLowerCase())).join(', ')}`
  const unknown = step.checks.filter((one) => one.result === 'unknown').length
  if (step.result === 'skipped') return 'not needed'
  return unknown > 0 ? `${unknown} of ${step.checks.length} unknown` : `${step.checks.length} ${step.checks.length === 1 ? 'check' : 'checks'} passed`
}

/** @param {import('../shapes').Check} check */
function check(check) {
  const proof = /** @type {[string, import('../dom.js').Child][]} */ ([
    ['fact', check.fact ? hostile(check.fact) : null], ['at', check.at ? h('time', { datetime: check.at, title: check.at }, when(check.at, { to: 'ms' })) : null],
    ['snapshot', check.version ? id(check.version) : null], ['source', check.source ? hostile(check.source) : null],
  ]).filter(([, value]) => value !== null)
  const short = check.fact && check.fact.length <= 96 ? h('span', { class: 'fact' }, hostile(check.fact)) : null
  return h('li', null, mark(check.result), h('span', { class: 'check-name' }, check.name), short,
    proof.length > 0 ? h('details', { class: 'proof' }, h('summary', null, 'facts'), facts(`Facts of ${check.name}`, proof)) : null)
}
