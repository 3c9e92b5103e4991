// A diagnosis as text, to paste where people talk. Copied times are UTC.

import { record } from '../times.js'

/** @typedef {import('../shapes').Diagnosis} Diagnosis */

const MARKS = /** @type {Record<string, string>} */ ({ pass: '✓', fail: '✕', unknown: '?', skipped: '–' })

/** What the owner of the fix needs, and no more. @param {Diagnosis} found */
export function asTicket(found) {
  const { verdict, remedy, subject } = found
  return [
    verdict?.sentence ?? verdict?.label ?? '',
    `${subject.kind} ${subject.label || subject.id}, as of ${record(found.at)} UTC${found.snapshot_version ? `, snapshot ${found.snapshot_version}` : ''}`,
    remedy?.action ? `Fix (${remedy.owner ?? 'nobody'}): ${remedy.action}` : '',
    remedy?.scopes?.length ? `Scopes: ${remedy.scopes.join(', ')}` : '',
    ...found.callers.map((caller) => `Update caller: ${[caller.network, caller.agent, caller.route].filter(Boolean).join(' ')} (${caller.per_minute} a minute)`),
    found.done_when?.sql ? `Done when this returns ${JSON.stringify(found.done_when.expected)}:\n${found.done_when.sql}` : '',
    location.href,
  ].filter(Boolean).join('\n')
}

/** All of it. @param {Diagnosis} found */
export function asMarkdown(found) {
  const { verdict, remedy, subject } = found
  const lines = [`## ${verdict?.sentence ?? verdict?.label ?? 'Served'}`, '', `${subject.kind} \`${subject.label || subject.id}\` · ${verdict?.confidence ?? ''} · as of ${record(found.at)} UTC · snapshot ${found.snapshot_version ?? '–'}`, '']
  if (verdict?.contradiction) lines.push(`**Contradiction:** ${verdict.contradiction}`, '')
  if (remedy?.action) lines.push(`**Fix (${remedy.owner ?? 'nobody'}):** ${remedy.action}`, '')
  for (const step of found.steps) {
    lines.push(`- ${MARKS[step.result] ?? '?'} ${step.step} ${step.name}`)
    for (const check of step.checks) lines.push(`  - ${MARKS[check.result] ?? '?'} ${check.name}${check.fact ? `: ${check.fact}` : ''}${check.at ? ` (${record(check.at)} UTC)` : ''}`)
  }
  if (found.callers.length > 0) lines.push('', '| network | agent | route | a minute |', '|---|---|---|---:|', ...found.callers.map((caller) => `| ${caller.network ?? ''} | ${caller.agent ?? ''} | ${caller.route ?? ''} | ${caller.per_minute} |`))
  if (found.done_when?.sql) lines.push('', `Done when this returns ${JSON.stringify(found.done_when.expected)}:`, '```sql', found.done_when.sql, '```')
  lines.push('', location.href)
  return lines.join('\n')
}
