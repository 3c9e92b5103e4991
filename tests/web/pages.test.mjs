// Every page in both themes and three widths, empty and full: nothing blocked, nothing thrown, nothing wider than the
// screen, and no accessibility violation.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'

import { launch, openPage, settled, SIZES } from './browser.mjs'
import { start } from './fixture_server.mjs'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']
const FULL = {
  now: '/', past: '/?from=2026-11-22T20:00:00Z&to=2026-11-23T03:00:00Z', diagnose: '/diagnose', verdict: '/diagnose/request/req-815000', incidents: '/incidents', incident: '/incidents/5f0c9a1be47d2233',
  entities: '/entity', entity: '/entity/key/key-acme-backup-9f2c?from=-1h', networks: '/entity/key/key-acme-backup-9f2c?from=-1h&tab=networks', reports: '/reports', report: '/reports/failures_by_cause', chart: '/reports/failures_by_cause?view=chart', sql: '/sql', audit: '/audit', nowhere: '/incidents/none',
}
const EMPTY = { now: '/', incidents: '/incidents', entity: '/entity/key/key-none' }

let browser
before(async () => { browser = await launch() })
after(() => browser.close())

/** Violations as lines that say where. */
async function violations(page) {
  await page.evaluate(`${AXE}; void 0`)
  const found = await page.evaluate((tags) => window.axe.run(document, { runOnly: tags }), TAGS)
  return found.violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(' ')} ${node.any.concat(node.all, node.none).map((check) => check.message).join('; ')}`))
}

/** What is wrong with one page, as lines. */
async function faults(opened, name, path) {
  await opened.goto(path)
  await settled(opened.page)
  if (name === 'sql') await opened.page.waitForSelector('.editor')
  const wide = await opened.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  const headings = await opened.page.locator('h1').count()
  return [
    ...(wide > 0 ? [`${wide} px wider than the screen`] : []),
    ...(headings === 1 ? [] : [`${headings} h1`]),
    ...(await violations(opened.page)),
    ...opened.wrong.splice(0),
  ].map((fault) => `${name}: ${fault}`)
}

for (const theme of ['light', 'dark']) {
  for (const size of Object.keys(SIZES)) {
    test(`full pages in ${theme} on ${size}`, async () => {
      const server = await start()
      const opened = await openPage(browser, { url: server.url, theme, size, allow: /404/ })
      const found = []
      for (const [name, path] of Object.entries(FULL)) found.push(...(await faults(opened, name, path)))
      assert.deepEqual(found, [])
      await opened.close()
      await server.close()
    })
  }

  test(`empty pages, errors and the way in, in ${theme}`, async () => {
    const found = []
    for (const [scenario, pages] of Object.entries({ zero: EMPTY, nothing: EMPTY, fresh: EMPTY, unknown: EMPTY, error: FULL, 'signed-out': { now: '/' } })) {
      const server = await start({ scenario })
      const opened = await openPage(browser, { url: server.url, theme, size: 'phone', allow: /status of (500|401|404)/ })
      for (const [name, path] of Object.entries(pages)) found.push(...(await faults(opened, `${scenario} ${name}`, path)))
      await opened.close()
      await server.close()
    }
    assert.deepEqual(found, [])
  })
}

test('dialogs have no violation either, and give the focus back', async () => {
  const server = await start()
  for (const theme of ['light', 'dark']) {
    const opened = await openPage(browser, { url: server.url, theme, size: 'phone' })
    const { page } = opened
    const dialogs = [['/', 'More'], ['/', 'Last 1 h'], ['/incidents/5f0c9a1be47d2233', 'Silence…'], ['/incidents/5f0c9a1be47d2233', 'Resolve…'], ['/audit', 'Export…']]
    for (const [path, name] of dialogs) {
      await opened.goto(path)
      await settled(page)
      const button = page.getByRole('button', { name, exact: true })
      await button.click()
      await page.waitForSelector('dialog[open]')
      assert.deepEqual(await violations(page), [], name)
      await page.keyboard.press('Escape')
      await page.waitForSelector('dialog', { state: 'detached' })
      assert.ok(await button.evaluate((node) => node === document.activeElement), `${name} has the focus again`)
    }
    opened.clean()
    await opened.close()
  }
  await server.close()
})

test('text from logs shows its control characters, and cannot reorder a line', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  await opened.goto('/entity/key/key-acme-backup-9f2c?from=-1h&tab=agents')
  await settled(opened.page)
  const agent = await opened.page.locator('bdi', { hasText: 'evil' }).textContent()
  assert.equal(agent, 'evil⟨202E⟩gpj.exe␇')
  opened.clean()
  await opened.close()
  await server.close()
})
