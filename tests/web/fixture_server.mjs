// Serves the dashboard's files under the service's own headers, and answers its API from made-up rows that never change.
// It stands in only for states into which the real service cannot be brought at will: an error, a slow answer, a full
// limit, a night with an incident at a fixed time. `node fixture_server.mjs busy 7171` shows one by hand.

import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

import { catalog } from './fixtures/catalog.mjs'
import { incidentPage, incidents, iso, overview } from './fixtures/night.mjs'
import { diagnosis, entity } from './fixtures/people.mjs'

const FILES = join(dirname(fileURLToPath(import.meta.url)), '../../dashboards/web')
export const NOW = Date.parse('2026-11-23T03:12:40Z')

export const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; require-trusted-types-for 'script'; trusted-types default"
const HEADERS = { 'content-security-policy': CSP, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin' }
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' }
const PAGES = /^\/(|now|diagnose(\/.*)?|incidents(\/.*)?|entity(\/.*)?|reports(\/.*)?|sql|audit)$/

export const SCENARIOS = ['busy', 'quiet', 'zero', 'nothing', 'fresh', 'error', 'slow', 'signed-out', 'forbidden', 'limited', 'no-incidents', 'unknown', 'conflict', 'cut', 'lost', 'timeout', 'broken-chain']

const TITLES = { 400: 'The request is not accepted', 401: 'Sign in first', 403: 'This needs a right that the caller lacks', 404: 'There is no such thing', 409: 'It has changed meanwhile', 429: 'Too many requests', 500: 'An error of Claviger\'s own', 504: 'It took longer than is allowed' }

/** A problem document as the service writes it: the title is the kind, the detail the case. */
class Problem extends Error {
  constructor(status, detail, more = {}, headers = {}) {
    super(detail)
    Object.assign(this, { status, headers, body: { type: `urn:claviger:problem:${status}`, title: TITLES[status], detail, status, id: '7f3a', ...more } })
  }
}

/** @param {{scenario?: string, now?: () => number, port?: number}} [how] */
export function start({ scenario = 'busy', now = () => NOW, port = 0 } = {}) {
  const state = { scenario, signedIn: false, acted: new Map(), exports: [], requests: [], streams: new Set(), queries: [{ name: 'Failures today', sql: 'select count(*) from events', saved_by: 'ana', saved_at: iso(now() - 86_400_000) }] }
  const server = createServer((request, response) => {
    answer(state, now(), request, response).catch((error) => {
      if (!(error instanceof Problem)) console.error(error)
      const problem = error instanceof Problem ? error : new Problem(500, String(error))
      if (response.headersSent) return response.end()
      response.writeHead(problem.status, { 'content-type': 'application/problem+json', ...problem.headers })
      response.end(JSON.stringify(problem.body))
    })
  })
  return new Promise((done) => server.listen(port, '127.0.0.1', () => done({
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    /** Sends an event to every open stream. */
    emit: (event, data) => {
      for (const stream of state.streams) stream.write(`id: 2\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    },
    close: () => {
      for (const stream of state.streams) stream.end()
      server.closeAllConnections()
      return new Promise((closed) => server.close(closed))
    },
  })))
}

async function answer(state, now, request, response) {
  const url = new URL(request.url, 'http://localhost')
  const path = decodeURIComponent(url.pathname)
  if (path.startsWith('/assets/')) return file(response, path.slice('/assets/'.length))
  if (PAGES.test(path)) return file(response, 'index.html')
  if (!path.startsWith('/v1/')) throw new Problem(404, 'there is no such page')
  const body = await text(request)
  state.requests.push({ method: request.method, path, query: url.search, body })
  await guard(state, path, request)
  const found = route(state, now, request.method, path, url.searchParams, body ? JSON.parse(body) : {}, request, response)
  if (found === undefined) return
  if (found === null) throw new Problem(404, 'searched 14 days, 412 files', { hint: 'older data was removed on 2 Nov' })
  response.writeHead(200, { 'content-type': 'application/json', 'x-claviger-limit-rows': '10000', 'x-claviger-limit-seconds': '30' })
  response.end(JSON.stringify(found))
}

function file(response, name) {
  const path = normalize(join(FILES, name))
  if (!path.startsWith(FILES) || !existsSync(path) || !statSync(path).isFile()) throw new Problem(404, 'there is no such file')
  response.writeHead(200, { ...HEADERS, 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', 'cache-control': 'no-cache' })
  createReadStream(path).pipe(response)
}

async function text(request) {
  let all = ''
  for await (const chunk of request) all += chunk
  return all
}

/** The scenarios that make every answer fail, or late. */
async function guard(state, path, request) {
  const free = ['/v1/catalog', '/v1/session']
  if (state.scenario === 'signed-out' && !state.signedIn && !(path === '/v1/session' && request.method === 'POST')) throw new Problem(401, 'no token was sent')
  if (free.includes(path) || path === '/v1/live') return
  if (state.scenario === 'error') throw new Problem(500, 'the lake cannot be read', { hint: 'check credentials and free space at its address' })
  if (state.scenario === 'timeout') throw new Problem(504, 'stopped after 30 s', { limit_s: 30 })
  if (state.scenario === 'limited') throw new Problem(429, 'too many requests', {}, { 'retry-after': '12' })
  if (state.scenario === 'forbidden' && request.method !== 'GET') throw new Problem(403, 'the scope `incidents:write` is needed', { hint: 'ask an administrator for a token that has it' })
  if (state.scenario === 'slow') await new Promise((done) => setTimeout(done, 4000))
}

function route(state, now, method, path, query, body, request, response) {
  const { scenario } = state
  const time = (name, otherwise) => (query.get(name) ? Date.parse(query.get(name)) : otherwise)
  const from = time('from', now - 3_600_000)
  const to = time('to', now)
  const kind = { quiet: scenario === 'quiet' || scenario === 'zero', zero: scenario === 'zero', nothing: scenario === 'nothing', fresh: scenario === 'fresh' }
  const parts = path.split('/').slice(2)
  if (path === '/v1/session') return session(state, method, body, response)
  if (path === '/v1/catalog') return catalog
  if (path === '/v1/live') return live(state, now, kind, response)
  if (path === '/v1/overview') return seen(state, overview(from, to, now, kind), query)
  if (path === '/v1/explain') return explain(scenario)
  if (path === '/v1/diagnose') return diagnose(state, body, now)
  if (path === '/v1/queries') return state.queries
  if (path === '/v1/what-if') return scenario === 'unknown' ? null : impact(query, now)
  if (path === '/v1/bundle') return bundle(response)
  if (path === '/v1/exports') return exported(state, method, body, now)
  if (parts[0] === 'queries') return saved(state, method, parts[1], body, now)
  if (path === '/v1/sql') return sql(scenario, body, now)
  if (path === '/v1/audit/proof') return proof(scenario, now)
  if (parts[0] === 'reports') return report(scenario, now)
  if (parts[0] === 'entities') return entity(parts[1], parts.slice(2).join('/'), from, to, now, { unknown: scenario === 'unknown' })
  if (path === '/v1/incidents') return scenario === 'no-incidents' ? incidents(now).filter((one) => one.status === 'resolved') : incidents(now).map((one) => ({ ...one, ...state.acted.get(one.id) }))
  if (parts[0] === 'incidents') return incident(state, method, parts, body, now)
  return null
}

const seen = (state, data, query) => (query.get('tenant') && query.get('tenant') !== 'acme' ? overview(Date.parse(data.from), Date.parse(data.to), NOW, { nothing: true }) : data)

function session(state, method, body, response) {
  if (method === 'POST') {
    if (body.token !== 'clv_test_token') throw new Problem(401, 'this token is not known')
    state.signedIn = true
  }
  if (method === 'DELETE') {
    state.scenario = 'signed-out'
    state.signedIn = false
    response.writeHead(204)
    response.end()
    return undefined
  }
  return { name: 'ana', proof: 'token', scopes: ['query', 'report', 'diagnose', 'incidents:write', 'export'], tenant: null, expires_at: null }
}

function live(state, now, kind, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const data = overview(now - 3_600_000, now, now, kind)
  if (state.scenario === 'no-incidents') data.incidents = []
  response.write(`id: 1\nevent: snapshot\ndata: ${JSON.stringify(data)}\n\n`)
  if (state.scenario === 'lost') return void response.end()
  state.streams.add(response)
  response.on('close', () => state.streams.delete(response))
  return undefined
}

function explain(scenario) {
  if (['zero', 'nothing', 'fresh'].includes(scenario)) return { dimensions: [] }
  const row = (dimension, value, share_now, share_before) => ({ dimension, values: [{ value, share_before, share_now, count_before: Math.round(share_before * 4000), count_now: Math.round(share_now * 41_000) }] })
  return { dimensions: [row('principal', 'backup_service_user', 0.971, 0), row('tenant', 'acme', 0.983, 0.31), row('key', 'key-acme-backup-9f2c', 0.612, 0.002), row('route', 'GET /v1/reports/{id}', 0.88, 0.21), row('network', '10.2.0.0/24', 0.74, 0.18), row('cause', 'user_deleted', 0.971, 0)] }
}

function diagnose(state, body, now) {
  if (state.scenario === 'unknown') return null
  if (body.kind === 'auto') return { ...diagnosis('auto', body.id, now), verdict: null, others: [{ kind: 'principal', id: body.id, label: body.id }, { kind: 'tenant', id: body.id, label: body.id }] }
  const found = diagnosis(body.kind, body.id, now)
  if (body.id === 'req-undecidable') return { ...found, verdict: { ...found.verdict, cause: 'undecidable', class: 'none', label: 'Cannot be decided', sentence: 'The log lacks a field that would decide.', confidence: 'possible', missing_field: 'auth.error', contradiction: null } }
  if (body.id === 'req-served') return { ...found, verdict: null, remedy: null, request: { ...found.request, status: 200 }, steps: found.steps.map((step) => ({ ...step, result: 'pass' })) }
  return found
}

function impact(query, now) {
  const [[change, id]] = [...query]
  const share = (name, requests_per_day) => ({ name, label: '', requests_per_day, last_at: iso(now - 4000) })
  return {
    change: `${change.replaceAll('_', ' ')} ${id}`, known: true, sentence: '12840 requests a day would fail: 3 keys of 1 tenant, from 2 callers, on 1 route.', snapshot_version: 'v412', from: iso(now - 7 * 86_400_000), to: iso(now), requests_per_day: 12_840, refused_already_per_day: 31,
    tenants: [share('acme', 12_840)], keys: [share(id, 12_840)], routes: [share('GET /v1/reports/{id}', 12_840)], callers: [share('10.2.0.0/24 curl/8.5.0', 12_000), share('10.9.1.0/24 reports-cron/2', 840)],
  }
}

function bundle(response) {
  response.writeHead(200, { 'content-type': 'application/x-tar' })
  response.end('README.md')
  return undefined
}

function proof(scenario, now) {
  if (scenario === 'broken-chain') throw new Problem(500, 'the chain is broken at record 88412: its digest does not match')
  return { records: 88_412, covered: 88_000, digest_sequence: 8841, covered_until: iso(now - 12 * 60_000), head: 'operator,8841,5f0c' }
}

function exported(state, method, body, now) {
  if (method === 'GET') return state.exports.map((one) => ({ ...one, ...(one.looks++ === 0 ? { state: 'running', written: 410, files: [] } : {}) }))
  const one = { id: 'x1', state: 'done', from: body.from, to: body.to, output: body.output, asked_by: 'ana', records: 1000, written: 1000, bytes: 65_536, files: [{ path: 'requests.ndjson', sha256: 'ab'.repeat(32), records: 1000 }], verify: 'claviger verify x1', looks: 0, asked_at: iso(now) }
  state.exports.push(one)
  return one
}

function saved(state, method, name, body, now) {
  state.queries = state.queries.filter((one) => one.name !== name)
  if (method === 'PUT') state.queries.push({ name, sql: body.sql, saved_by: 'ana', saved_at: iso(now) })
  return { name }
}

const table = (columns, rows, more = {}) => ({ columns: columns.map(([name, type, unit = null]) => ({ name, type, unit, meaning: '' })), rows, row_count: String(rows.length), cut: false, elapsed_ms: 84, bytes_read: '1258291', ...more })

function sql(scenario, { sql: question }, now) {
  if (/from audit/.test(question)) {
    return table([['seq', 'long'], ['at', 'timestamp'], ['tenant_id', 'string'], ['who', 'string'], ['action', 'string'], ['what', 'string'], ['address', 'string'], ['outcome', 'string']],
      Array.from({ length: 24 }, (_, index) => [String(88_412 - index), iso(now - index * 131_000), index % 3 ? 'acme' : null, ['ana', 'token k2', 'local'][index % 3], ['silence', 'report', 'sql', 'diagnose'][index % 4], ['5f0c9a1be47d2233', 'failures', 'select count(*) from events', 'key-acme-backup-9f2c'][index % 4], '10.0.0.4', 'done']))
  }
  if (/read_csv/.test(question)) throw new Problem(400, '`read_csv` is not allowed', { hint: "queries only read Claviger's tables" })
  if (/form events/.test(question)) throw new Problem(400, 'expected: from, found: form', { line: 1, column: 17 })
  if (/where false/.test(question)) return table([['cause', 'string'], ['failures', 'long']], [])
  return report(scenario, now)
}

function report(scenario, now) {
  const rows = [['user_deleted', 'acme', '40112', 61.2, '3'], ['unknown_key', null, '9007199254740993', 17.4, '0'], ['rate_limited', 'initech', '8120', 12.4, '11'], ['scope_missing', 'globex', '2310', 3.5, '2'], ['key_expired', 'acme', '1904', 2.9, '7'], ['zombie_access', 'acme', '2', 0.01, '1']]
  void now
  return table([['cause', 'string'], ['tenant_id', 'string'], ['failures', 'long'], ['share', 'double', '%'], ['keys', 'long']], rows, scenario === 'cut' ? { cut: true, row_count: '48112' } : {})
}

function incident(state, method, parts, body, now) {
  const [, id, act] = parts
  const page = incidentPage(id, now)
  if (!page) return null
  if (act === 'silence' && method === 'GET') return { open: 1, findings: 12 }
  if (act) {
    if (state.scenario === 'conflict') throw new Problem(409, 'resolved meanwhile by the system')
    const after = { ack: { status: 'acknowledged', acknowledged_by: 'ana' }, unack: { status: 'open', acknowledged_by: null }, silence: { silenced_until: iso(now + (body.for_s ?? 0) * 1000) }, unsilence: { silenced_until: null }, resolve: { status: 'resolved' } }[act] ?? {}
    state.acted.set(page.id, { ...state.acted.get(page.id), ...after, version: page.version + 1 })
  }
  return { ...page, ...state.acted.get(page.id) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await start({ scenario: process.argv[2] ?? 'busy', port: Number(process.argv[3] ?? 0), now: () => Date.now() })
  console.log(url)
}
