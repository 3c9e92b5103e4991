// The dashboard on the product itself: a demo that runs, its API, its live stream, its made-up company.
// CLAVIGER_TEST_BINARY names the built program, CLAVIGER_TEST_URL a demo that runs already; without either, nothing here runs.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

import { launch, openPage, settled } from './browser.mjs'

const { CLAVIGER_TEST_BINARY: binary, CLAVIGER_TEST_URL: running } = process.env
const skip = !binary && !running && 'no binary is named'
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']
const LONGEST_MS = 180_000

let browser
let url = running ?? ''
let demo
let folder

/** Starts a demo and waits until it says where its dashboard is. */
function startDemo() {
  folder = mkdtempSync(join(tmpdir(), 'claviger-demo-'))
  demo = spawn(binary, ['demo', '--rate', '100', '--data', join(folder, 'data')], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, CLAVIGER__SERVE__ADDRESS: '127.0.0.1:0' } })
  return new Promise((done, failed) => {
    let text = ''
    demo.stdout.on('data', (chunk) => {
      text += chunk
      const found = /https?:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(text)
      if (found) done(found[0])
    })
    demo.on('exit', (code) => failed(new Error(`the demo ended with ${code}: ${text}`)))
  })
}

/** Asks until the answer pleases. */
async function until(path, pleases) {
  const end = Date.now() + LONGEST_MS
  for (;;) {
    const answer = await fetch(url + path)
    const body = answer.ok ? await answer.json() : null
    if (body && pleases(body)) return body
    if (Date.now() > end) throw new Error(`${path}: ${answer.status} ${JSON.stringify(body)?.slice(0, 400)}`)
    await new Promise((again) => setTimeout(again, 1000))
  }
}

before(async () => {
  if (skip) return
  browser = await launch()
  if (!url) url = await startDemo()
  await until('/v1/overview', (found) => found.requests.some((count) => count > 0) && found.top.length > 0)
  await until('/v1/incidents', (found) => found.length > 0)
}, { timeout: 2 * LONGEST_MS })

after(async () => {
  await browser?.close()
  if (demo) {
    demo.removeAllListeners('exit')
    const gone = new Promise((done) => demo.on('exit', done))
    demo.kill('SIGINT')
    await gone
  }
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const open = (how = {}) => openPage(browser, { url, now: null, ...how })

async function ask(path, body) {
  const answer = await fetch(url + path, body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {})
  assert.equal(answer.status, 200, `${path}: ${answer.status === 200 ? '' : await answer.text()}`)
  return answer.json()
}

test('every code of the source has its label in the catalog', { skip }, async () => {
  const catalog = await ask('/v1/catalog')
  const source = readFileSync(new URL('../../src/core/cause.rs', import.meta.url), 'utf8')
  const codes = [...source.matchAll(/^\s+\w+, "(\w+)",/gm)].map(([, code]) => code)
  assert.ok(codes.length > 40)
  for (const code of codes) {
    const found = catalog.causes.find((one) => one.code === code)
    for (const words of ['label', 'class', 'sentence', 'remedy', 'owner']) assert.ok(found?.[words], `${code} has no ${words}`)
    assert.ok(catalog.classes.some((one) => one.code === found.class && one.label), `${code} is of a class without label`)
  }
})

test('every page of the running demo, in both themes and three widths', { skip, timeout: 600_000 }, async () => {
  const [row] = await ask('/v1/sql', { sql: "select request_id, key_id, principal_id, tenant_id, client_network from events where cause = 'user_deleted' and request_id is not null and key_id is not null order by event_at desc limit 1" })
  const [incident] = await ask('/v1/incidents')
  const reports = await ask('/v1/reports')
  const name = encodeURIComponent
  const pages = {
    now: '/', day: '/?from=-24h', diagnose: '/diagnose', request: `/diagnose/request/${name(row.request_id)}`, key: `/diagnose/key/${name(row.key_id)}`, incidents: '/incidents', incident: `/incidents/${incident.id}`,
    entities: '/entity', keyPage: `/entity/key/${name(row.key_id)}?from=-1h`, user: `/entity/principal/${name(row.principal_id)}?from=-1h`, tenant: `/entity/tenant/${name(row.tenant_id)}?from=-1h`, network: `/entity/network/${name(row.client_network)}?from=-1h`,
    reports: '/reports', report: `/reports/${reports.find((one) => /fail/.test(one.name)).name}`, sql: '/sql', audit: '/audit',
  }
  const found = []
  for (const theme of ['light', 'dark']) {
    for (const size of ['phone', 'tablet', 'desktop']) {
      const opened = await open({ theme, size })
      for (const [page, path] of Object.entries(pages)) {
        await opened.goto(path)
        await settled(opened.page).catch((error) => found.push(`${page}: ${error.message}`))
        const failures = await opened.page.locator('.failure:visible').allTextContents()
        await opened.page.evaluate(`${AXE}; void 0`)
        const { violations } = await opened.page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), TAGS)
        const wide = await opened.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        found.push(...[...failures, ...violations.flatMap((one) => one.nodes.map((node) => `${one.id} ${node.target}`)), ...opened.wrong.splice(0), ...(wide > 0 ? [`${wide} px too wide`] : [])].filter(Boolean).map((fault) => `${page} ${theme} ${size}: ${fault}`))
      }
      await opened.close()
    }
  }
  assert.deepEqual(found, [])
})

test('the first page is live, and its charts can be hovered', { skip }, async () => {
  const opened = await open()
  const { page } = opened
  await opened.goto('/')
  await settled(page)
  assert.match(await page.locator('h1').textContent(), /refusals? a minute/)
  await page.waitForFunction(() => /^(Live|Behind)/.test(document.querySelector('.freshness').textContent))
  const caption = page.locator('figcaption').first()
  const before_ = await caption.textContent()
  await page.waitForFunction((text) => document.querySelector('figcaption').textContent !== text, before_, { timeout: 90_000 })
  for (const canvas of await page.locator('.canvas').all()) {
    await canvas.scrollIntoViewIfNeeded()
    const box = await canvas.boundingBox()
    for (const part of [0.5, 0.9, 0.98]) await page.mouse.move(box.x + box.width * part, box.y + box.height * 0.5)
  }
  opened.clean()
  await opened.close()
})

test('from an incident to its diagnosis, taken and given back', { skip }, async () => {
  const opened = await open()
  const { page } = opened
  await opened.goto('/incidents')
  await settled(page)
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/incidents\/[0-9a-f]{16}/)
  await settled(page)
  await page.keyboard.press('a')
  await page.waitForSelector('text=/Acknowledged by you/')
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.waitForSelector('button:text-is("Acknowledge")')
  await page.keyboard.press('o')
  await page.waitForURL(/\/diagnose\/incident\//)
  await page.waitForSelector('.steps details')
  opened.clean()
  await opened.close()
})

test('SQL runs, shows its cost, and is drawn', { skip }, async () => {
  const opened = await open()
  const { page } = opened
  await opened.goto(`/sql#q=${Buffer.from('select cause, count(*) as refusals from events where cause is not null group by cause').toString('base64url')}`)
  await page.waitForSelector('.editor')
  await page.getByRole('button', { name: 'Run' }).click()
  await page.waitForSelector('.result tbody tr')
  assert.match(await page.locator('.summary').textContent(), /\d+ rows? of \d+ · .* read · limits: /)
  await page.getByRole('button', { name: 'Chart', exact: true }).click()
  await page.waitForSelector('figure[data-drawn]')
  opened.clean()
  await opened.close()
})

test('every report runs with its defaults', { skip, timeout: 300_000 }, async () => {
  const wrong = []
  for (const report of await ask('/v1/reports')) {
    if (report.parameters.some((one) => one.required)) continue
    const answer = await fetch(`${url}/v1/reports/${report.name}`)
    if (answer.status !== 200) wrong.push(`${report.name}: ${answer.status} ${await answer.text()}`)
    else await answer.arrayBuffer()
  }
  assert.deepEqual(wrong, [])
})

/** Grafana's macros and variables as a dashboard of the last hour has them. */
const expanded = (sql) => sql.replaceAll('$__timeFrom()', `'${new Date(Date.now() - 3_600_000).toISOString()}'`).replaceAll('$__timeTo()', `'${new Date().toISOString()}'`).replaceAll('${tenant}', 'all')

test('every panel of the Grafana dashboards has SQL that runs', { skip }, async () => {
  for (const name of ['failures', 'keys', 'service']) {
    const board = JSON.parse(readFileSync(new URL(`../../dashboards/grafana/${name}.json`, import.meta.url), 'utf8'))
    const questions = [...board.panels.flatMap((panel) => panel.targets.map((target) => [panel.title, target.rawSql])), ...board.templating.list.filter((one) => one.type === 'query').map((one) => [one.name, one.query])]
    for (const [title, sql] of questions) {
      const answer = await fetch(`${url}/v1/sql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ sql: expanded(sql) }) })
      assert.equal(answer.status, 200, `${name}, ${title}: ${await answer.text()}`)
    }
  }
})
