// The product itself: a demo that runs, its API, its live stream, its made-up company.
// CLAVIGER_TEST_BINARY names the built program, CLAVIGER_TEST_URL a demo that runs already; without either, nothing runs.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const { CLAVIGER_TEST_BINARY: binary, CLAVIGER_TEST_URL: running } = process.env
/** Why nothing runs, if nothing does. */
export const skip = !binary && !running && 'no binary is named'
/** Only a failing test waits for it. */
export const LONGEST_MS = 180_000

/** A demo that has named its first causes and opened its first incident. */
export async function startDemo() {
  const demo = running ? { url: running, stop: async () => {} } : await spawned()
  await until(demo.url, '/v1/overview', (found) => found.requests.some((count) => count > 0) && found.top.length > 0)
  await until(demo.url, '/v1/incidents', (found) => found.length > 0)
  return demo
}

/** Starts one, and waits until it says where its dashboard is. */
function spawned() {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-demo-'))
  const demo = spawn(binary, ['demo', '--rate', '100', '--data', join(folder, 'data')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const stop = async () => {
    demo.removeAllListeners('exit')
    const gone = new Promise((done) => demo.on('exit', done))
    demo.kill('SIGINT')
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
  return new Promise((done, failed) => {
    let text = ''
    demo.stdout.on('data', (chunk) => {
      text = (text + chunk).slice(-10_000)
      const found = /https?:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(text)
      if (found) done({ url: found[0], stop })
    })
    demo.on('exit', (code) => failed(new Error(`the demo ended with ${code}: ${text}`)))
  })
}

/** Asks until the answer pleases. */
async function until(url, path, pleases) {
  const end = Date.now() + LONGEST_MS
  for (;;) {
    const answer = await fetch(url + path)
    const body = answer.ok ? await answer.json() : null
    if (body && pleases(body)) return body
    if (Date.now() > end) throw new Error(`${path}: ${answer.status} ${JSON.stringify(body)?.slice(0, 400)}`)
    await new Promise((again) => setTimeout(again, 1000))
  }
}

/** The JSON of an answer that must be one. */
export async function ask(url, path, body) {
  const answer = await fetch(url + path, body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {})
  assert.equal(answer.status, 200, `${path}: ${answer.status === 200 ? '' : await answer.text()}`)
  return answer.json()
}
