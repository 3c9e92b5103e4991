// Every page of the product itself, in both themes and three widths: nothing fails, nothing is blocked, nothing is wider
// than the screen, and no accessibility violation. Then every report, and every panel of Grafana's dashboards.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'

import { launch, openPage, settled } from './browser.mjs'
import { LONGEST_MS, ask as askAt, skip, startDemo } from './demo.mjs'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']

let browser
let demo
before(async () => {
  if (skip) return
  demo = await startDemo()
  browser = await launch()
}, { timeout: 2 * LONGEST_MS })
after(async () => {
  await browser?.close()
  await demo?.stop()
})

async function open(how = {}) {
  const opened = await openPage(browser, { url: demo.url, now: null, ...how })
  opened.page.setDefaultTimeout(LONGEST_MS)
  return opened
}
const ask = (path, body) => askAt(demo.url, path, body)

/** The addresses of all pages, about what the demo shows at the moment. */
async function addresses() {
  const [row] = await ask('/v1/sql', { sql: "select request_id, key_id, principal_id, tenant_id, client_network from events where cause = 'user_deleted' and request_id is not null and key_id is not null order by event_at desc limit 1" })
  const [incident] = await ask('/v1/incidents')
  const reports = await ask('/v1/reports')
  const name = encodeURIComponent
  return {
    now: '/', day: '/?from=-24h', diagnose: '/diagnose', request: `/diagnose/request/${name(row.request_id)}`, key: `/diagnose/key/${name(row.key_id)}`, incidents: '/incidents', incident: `/incidents/${incident.id}`,
    entities: '/entity', keyPage: `/entity/key/${name(row.key_id)}?from=-1h`, user: `/entity/principal/${name(row.principal_id)}?from=-1h`, tenant: `/entity/tenant/${name(row.tenant_id)}?from=-1h`, network: `/entity/network/${name(row.client_network)}?from=-1h`,
    reports: '/reports', report: `/reports/${reports.find((one) => /fail/.test(one.name)).name}`, sql: '/sql', audit: '/audit',
  }
}

for (const theme of ['light', 'dark']) {
  for (const size of ['phone', 'tablet', 'desktop']) {
    test(`every page of the running demo in ${theme} on ${size}`, { skip, timeout: 600_000 }, async () => {
      const found = []
      const opened = await open({ theme, size })
      for (const [page, path] of Object.entries(await addresses())) {
        await opened.goto(path)
        await settled(opened.page).catch((error) => found.push(`${page}: ${error.message}`))
        const failures = await opened.page.locator('.failure:visible').allTextContents()
        await opened.page.evaluate(`${AXE}; void 0`)
        const { violations } = await opened.page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), TAGS)
        const wide = await opened.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        found.push(...[...failures, ...violations.flatMap((one) => one.nodes.map((node) => `${one.id} ${node.target}`)), ...opened.wrong.splice(0), ...(wide > 0 ? [`${wide} px too wide`] : [])].filter(Boolean).map((fault) => `${page}: ${fault}`))
      }
      await opened.close()
      assert.deepEqual(found, [])
    })
  }
}

test('every report runs with its defaults', { skip, timeout: 300_000 }, async () => {
  const wrong = []
  for (const report of await ask('/v1/reports')) {
    if (report.parameters.some((one) => one.required)) continue
    const answer = await fetch(`${demo.url}/v1/reports/${report.name}`)
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
      const answer = await fetch(`${demo.url}/v1/sql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ sql: expanded(sql) }) })
      assert.equal(answer.status, 200, `${name}, ${title}: ${await answer.text()}`)
    }
  }
})
