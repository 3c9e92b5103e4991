// The dashboard on the product itself: live, from an incident to its diagnosis, SQL.

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

async function open(how = {}) {
  const opened = await openPage(browser, { url: demo.url, now: null, ...how })
  opened.page.setDefaultTimeout(LONGEST_MS)
  return opened
}
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
