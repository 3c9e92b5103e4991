// What a screen reader hears: one polite line, one urgent one. Moving counters are not among them.

import { h, say } from './dom.js'

const polite = h('p', { role: 'status', class: 'unseen' })
const urgent = h('p', { role: 'alert', class: 'unseen' })
const PAUSE = 10_000

let spoken = 0
/** @type {string[]} */
let waiting = []
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer

export const regions = [polite, urgent]

/** Results of what the reader just did. @param {string} text */
export function tell(text) {
  say(polite, text)
}

/** Things that happen by themselves: at most one message in ten seconds, the rest merged.
 * @param {string} text @param {(texts: string[]) => string} [merge] */
export function happened(text, merge = (texts) => texts.join('; ')) {
  waiting.push(text)
  if (timer) return
  timer = setTimeout(() => {
    timer = undefined
    spoken = Date.now()
    say(polite, waiting.length === 1 ? waiting[0] : merge(waiting))
    waiting = []
  }, Math.max(0, spoken + PAUSE - Date.now()))
}

/** A new critical incident, or a lost connection. @param {string} text */
export function alarm(text) {
  say(urgent, text)
}
