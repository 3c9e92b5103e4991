// The dashboard on the product itself: live, from an incident to its diagnosis, SQL, reports, Grafana's panels.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'

import { launch, openPage, settled } from './browser.mjs'
import { LONGEST_MS, ask as askAt, skip, startDemo } from './demo.mjs'

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
