// Every page of the product itself, in both themes and three widths: nothing fails, nothing is blocked, nothing is wider
// than the screen, and no accessibility violation.

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

const open = (how = {}) => openPage(browser, { url: demo.url, now: null, ...how })
const ask = (path, body) => askAt(demo.url, path, body)

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
