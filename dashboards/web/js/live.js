// The live stream: one for the whole browser. The tab that holds a Web Lock reads it and tells the others over a
// BroadcastChannel; where there are no locks (no secure context) each tab reads its own. HTTP/1.1 has six connections
// per host, so a stream per tab would hang the seventh tab without an error.
//
// Read by fetch, not EventSource: that one hides the status, and 401 must not look like a network that is down.

import { ask, Failure, isAbort } from './api.js'
import { merge } from './overview.js'

/** @typedef {import('./shapes').Overview} Overview */
/** @typedef {{state: 'live' | 'lost' | 'off', retryAt?: number, reason?: string}} Status */
/** @typedef {{overview: Overview | null, status: Status}} Moment */

const HIDDEN_MS = 60_000
const SILENT_MS = 40_000

/** Cuts a stream of text into server-sent events. @returns {(chunk: string) => {event: string, data: string, id: string}[]} */
export function eventParser() {
  let rest = ''
  let id = ''
  return (chunk) => {
    rest += chunk
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/)
    rest = blocks.pop() ?? ''
    const events = []
    for (const block of blocks) {
      let event = 'message'
      const data = []
      for (const line of block.split(/\r\n|\n|\r/)) {
        const found = /^([^:]+)(?:: ?(.*))?$/s.exec(line)
        if (!found) continue
        if (found[1] === 'event') event = found[2] ?? ''
        else if (found[1] === 'data') data.push(found[2] ?? '')
        else if (found[1] === 'id') id = found[2] ?? ''
      }
      if (data.length > 0) events.push({ event, data: data.join('\n'), id })
    }
    return events
  }
}

/** What an event makes of the overview. @param {Overview | null} before @param {string} event @param {any} data @returns {Overview | null} */
export function applied(before, event, data) {
  if (event === 'snapshot') return data
  if (!before) return before
  if (event === 'delta') return merge(before, data)
  if (event !== 'incident') return before
  const others = before.incidents.filter((incident) => incident.id !== data.id)
  return { ...before, incidents: data.status === 'resolved' ? others : [...others, data] }
}

/** Follows the stream until `leave` is called.
 * @param {{tenant?: string | null, onMoment: (moment: Moment) => void, onIncident?: (incident: import('./shapes').Incident) => void}} how */
export function follow({ tenant, onMoment, onIncident }) {
  const name = `claviger.live${tenant ? `.${tenant}` : ''}`
  const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel(name) : null
  /** @type {Moment} */
  let moment = { overview: null, status: { state: 'off' } }
  let leaving = new AbortController()
  let leading = false
  let left = false
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let hiding

  /** @param {Partial<Moment>} change @param {any} [incident] */
  const publish = (change, incident) => {
    moment = { ...moment, ...change }
    channel?.postMessage({ moment, incident })
    onMoment(moment)
    if (incident) onIncident?.(incident)
  }

  channel?.addEventListener('message', ({ data }) => {
    if (data === 'hello') {
      if (leading && moment.overview) channel.postMessage({ moment })
    } else if (!leading && !left) {
      moment = data.moment
      onMoment(moment)
      if (data.incident) onIncident?.(data.incident)
    }
  })

  function join() {
    if (left) return
    leaving = new AbortController()
    const { signal } = leaving
    if (!navigator.locks || !channel) {
      leading = true
      void read(signal)
      return
    }
    channel.postMessage('hello')
    navigator.locks.request(name, { signal }, async () => {
      leading = true
      await read(signal)
      leading = false
    }).catch((error) => {
      if (!isAbort(error)) throw error
    })
  }

  function part() {
    leading = false
    leaving.abort()
  }

  /** @param {AbortSignal} signal */
  async function read(signal) {
    let lastId = ''
    for (let tries = 0; !signal.aborted; tries += 1) {
      try {
        await once(signal, lastId, (event) => {
          tries = 0
          lastId = event.id || lastId
          const data = JSON.parse(event.data)
          publish({ overview: applied(moment.overview, event.event, data), status: { state: 'live' } }, event.event === 'incident' ? data : undefined)
        })
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof Failure && (error.kind === 'signed-out' || error.kind === 'forbidden')) {
          publish({ status: { state: 'off', reason: error.title } })
          return
        }
      }
      if (signal.aborted) return
      const pause = Math.min(30_000, 1000 * 2 ** Math.min(tries, 5)) * (0.5 + Math.random() / 2)
      publish({ status: { state: 'lost', retryAt: Date.now() + pause } })
      await sleep(pause, signal)
    }
  }

  /** @param {AbortSignal} signal @param {string} lastId @param {(event: {event: string, data: string, id: string}) => void} take */
  async function once(signal, lastId, take) {
    const own = new AbortController()
    const stop = () => own.abort()
    signal.addEventListener('abort', stop, { once: true })
    // A connection that says nothing, not even a heartbeat, is dead: a proxy may keep its socket open for hours.
    let silence = setTimeout(stop, SILENT_MS)
    try {
      const query = tenant ? `?tenant=${encodeURIComponent(tenant)}` : ''
      const answer = await ask(`/v1/live${query}`, { accept: 'text/event-stream', signal: own.signal, headers: lastId ? { 'last-event-id': lastId } : {} })
      const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
      if (!reader) return
      const parse = eventParser()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        clearTimeout(silence)
        silence = setTimeout(stop, SILENT_MS)
        for (const event of parse(value)) take(event)
      }
    } finally {
      clearTimeout(silence)
      signal.removeEventListener('abort', stop)
    }
  }

  function visibility() {
    clearTimeout(hiding)
    if (document.hidden) hiding = setTimeout(part, HIDDEN_MS)
    else if (leaving.signal.aborted) join()
  }

  document.addEventListener('visibilitychange', visibility)
  join()

  return {
    now: () => moment,
    leave() {
      left = true
      clearTimeout(hiding)
      document.removeEventListener('visibilitychange', visibility)
      part()
      channel?.close()
    },
  }
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
const sleep = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms)
  signal.addEventListener('abort', () => {
    clearTimeout(timer)
    done()
  }, { once: true })
})
