// Asking the server. Every way it can fail is one kind of Failure, which says what to show.

/** @typedef {'failed' | 'signed-out' | 'forbidden' | 'limited' | 'timeout' | 'missing' | 'conflict' | 'invalid' | 'offline'} FailureKind */

/** What a problem document says, or what stands in for one. */
export class Failure extends Error {
  /** @param {FailureKind} kind
   *  @param {{title: string, hint?: string, detail?: string, id?: string, status?: number, retryAfter?: number, body?: any}} problem */
  constructor(kind, problem) {
    super(problem.title)
    this.kind = kind
    this.title = problem.title
    this.hint = problem.hint ?? ''
    this.detail = problem.detail ?? ''
    this.id = problem.id ?? ''
    this.status = problem.status ?? 0
    /** Seconds. */
    this.retryAfter = problem.retryAfter ?? 0
    this.body = problem.body ?? null
  }
}

/** @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === 'AbortError'

const KINDS = /** @type {Record<number, FailureKind>} */ ({
  400: 'invalid', 401: 'signed-out', 403: 'forbidden', 404: 'missing', 408: 'timeout', 409: 'conflict', 422: 'invalid', 429: 'limited', 504: 'timeout',
})

/** @param {Response} answer @returns {Promise<Failure>} */
export async function failureOf(answer) {
  let body = /** @type {any} */ (null)
  try {
    body = await answer.json()
  } catch {
    // Not ours: a proxy's page, or nothing.
  }
  const retryAfter = Number(answer.headers.get('retry-after') ?? body?.retry_after_s ?? 0)
  return new Failure(KINDS[answer.status] ?? 'failed', {
    // The detail says what failed this time, the title only of which kind it is.
    title: sentence(body?.detail || body?.title || `The server answered ${answer.status}`),
    hint: body?.hint ? sentence(body.hint) : '',
    detail: body?.detail && body?.title ? sentence(body.title) : '',
    id: body?.id ?? '',
    status: answer.status,
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : 0,
    body,
  })
}

/** The server writes without capital and full stop. @param {string} text */
const sentence = (text) => {
  const trimmed = String(text).trim()
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
  return /[.!?:]$/.test(capital) ? capital : `${capital}.`
}

/** @typedef {{signal?: AbortSignal, accept?: string}} Asking */

/** @param {string} path @param {RequestInit & Asking} [how] @returns {Promise<Response>} */
export async function ask(path, { accept = 'application/json', headers, ...how } = {}) {
  let answer
  try {
    answer = await fetch(path, { credentials: 'same-origin', ...how, headers: { accept, ...headers } })
  } catch (error) {
    if (isAbort(error)) throw error
    throw new Failure('offline', { title: 'The server cannot be reached.', hint: 'Is it running, and is this machine online?' })
  }
  if (!answer.ok) {
    const failure = await failureOf(answer)
    if (failure.kind === 'signed-out') document.dispatchEvent(new CustomEvent('signed-out'))
    throw failure
  }
  return answer
}

/** @template T @param {string} path @param {Asking} [how] @returns {Promise<T>} */
export async function get(path, how) {
  return (await ask(path, how)).json()
}

/** @template T @param {string} path @param {unknown} body @param {Asking & {method?: string}} [how] @returns {Promise<T>} */
export async function send(path, body, { method = 'POST', ...how } = {}) {
  const answer = await ask(path, { ...how, method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
  const text = await answer.text()
  return text ? JSON.parse(text) : /** @type {T} */ (null)
}

export const TABLE = 'application/vnd.claviger.table+json'

export const FORMATS = /** @type {const} */ ([
  { name: 'CSV', accept: 'text/csv', ending: 'csv' },
  { name: 'Parquet', accept: 'application/vnd.apache.parquet', ending: 'parquet' },
  { name: 'JSON', accept: 'application/x-ndjson', ending: 'ndjson' },
])

/** Asks again in another format and hands the bytes to the browser as a file.
 * @param {string} path @param {RequestInit & Asking} how @param {string} name */
export async function download(path, how, name) {
  const bytes = await (await ask(path, how)).blob()
  const url = URL.createObjectURL(bytes)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  document.body.append(link)
  link.click()
  link.remove()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
  return bytes.size
}

/** The shell line that asks the same; the token stays a variable.
 * @param {string} path @param {{body?: unknown}} [how] */
export function curl(path, { body } = {}) {
  const quoted = (/** @type {string} */ text) => `'${text.replaceAll("'", "'\\''")}'`
  const parts = [`curl -sS ${quoted(location.origin + path)}`, `-H "authorization: Bearer $CLAVIGER_TOKEN"`]
  if (body !== undefined) parts.push(`-H 'content-type: application/json'`, `--data-binary ${quoted(JSON.stringify(body))}`)
  return parts.join(' \\\n  ')
}
