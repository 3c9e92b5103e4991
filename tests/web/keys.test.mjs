// The dashboard without a mouse.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { launch, openPage, settled } from './browser.mjs'
import { start } from './fixture_server.mjs'

let browser
let server
before(async () => {
  browser = await launch()
  server = await start()
})
after(async () => {
  await browser.close()
  await server.close()
})

async function on(path, run, how = {}) {
  const opened = await openPage(browser, { url: server.url, ...how })
  await opened.goto(path)
  await settled(opened.page)
  await run(opened.page)
  opened.clean()
  await opened.close()
}

const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute('data-id') ?? document.activeElement?.tagName ?? '')

test('g and a letter go to every page, and the focus moves to its sentence', () => on('/', async (page) => {
  for (const [letter, path] of Object.entries({ d: '/diagnose', i: '/incidents', e: '/entity', r: '/reports', s: '/sql', a: '/audit', n: '/' })) {
    await page.keyboard.press('g')
    await page.keyboard.press(letter)
    await page.waitForURL(server.url + path)
    await settled(page)
    assert.equal(await focused(page), 'H1', path)
    await page.evaluate(() => document.activeElement?.blur())
  }
}))

test('/ finds, and single keys are dead inside the box', () => on('/', async (page) => {
  await page.keyboard.press('/')
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'find')
  await page.keyboard.type('gi?req-77')
  assert.equal(new URL(page.url()).pathname, '/')
  assert.equal(await page.locator('dialog').count(), 0)
  await page.locator('.find input').fill('req-815000')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/diagnose\/request\/req-815000/)
}))

test('j and k walk the incidents, Enter opens, Esc returns', () => on('/incidents', async (page) => {
  await page.keyboard.press('j')
  assert.equal(await focused(page), '5f0c9a1be47d2233')
  await page.keyboard.press('j')
  assert.equal(await focused(page), '8a77310c55e0f1d2')
  await page.keyboard.press('k')
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/incidents\/5f0c9a1be47d2233/)
  await settled(page)
  for (const [key, title] of [['s', 'Silence this incident'], ['n', 'Add a note'], ['f', 'Was this a real problem?']]) {
    await page.keyboard.press(key)
    await page.waitForSelector(`dialog h2:has-text("${title}")`)
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog', { state: 'detached' })
  }
  await page.keyboard.press('o')
  await page.waitForURL(/\/diagnose\/incident\//)
  await page.goBack()
  await settled(page)
  await page.keyboard.press('Escape')
  await page.waitForURL(/\/incidents$/)
}))

test('the range moves by keys, and Back undoes it', () => on('/', async (page) => {
  await page.keyboard.press('-')
  await page.waitForURL(/from=-6h/)
  await page.keyboard.press('[')
  await page.waitForURL(/from=2026-11-22T18:12:40Z&to=2026-11-23T00:12:40Z/)
  await page.goBack()
  await page.waitForURL(/from=-6h/)
  await page.goBack()
  await page.waitForURL(`${server.url}/`)
}))

test('y copies a link with absolute times, u switches the zone, ? lists the keys', () => on('/', async (page) => {
  await page.keyboard.press('y')
  await page.waitForFunction(() => document.querySelector('[role="status"]')?.textContent === 'Link copied.')
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${server.url}/?from=2026-11-23T02:12:40Z&to=2026-11-23T03:12:40Z`)
  assert.match(await page.locator('figcaption').first().textContent(), /Berlin, UTC\+1/)
  await page.keyboard.press('u')
  await page.waitForFunction(() => /, UTC:/.test(document.querySelector('figcaption').textContent))
  await page.keyboard.press('?')
  await page.waitForSelector('dialog h2:has-text("Shortcuts")')
}))

test('single keys can be switched off', () => on('/', async (page) => {
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.locator('fieldset:has(legend:text("Single-key shortcuts")) label:has-text("Off")').click()
  await page.keyboard.press('Escape')
  await page.keyboard.press('g')
  await page.keyboard.press('i')
  await page.keyboard.press('?')
  assert.equal(new URL(page.url()).pathname, '/')
  assert.equal(await page.locator('dialog').count(), 0)
}))

test('Tab leaves the SQL editor, and Enter takes a completion', () => on('/sql', async (page) => {
  await page.waitForSelector('.editor')
  await page.locator('.cm-content').click()
  await page.keyboard.type('select caus')
  await page.waitForSelector('.cm-tooltip-autocomplete')
  await page.waitForTimeout(150)
  await page.keyboard.press('Enter')
  assert.match(await page.locator('.cm-line').first().textContent(), /^select cause/)
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Run')
  // The editor's completion waits by the clock, which must run for it.
}, { now: null }))

test('the chart is walked through by arrow keys and says each bucket', () => on('/', async (page) => {
  await page.keyboard.press('c')
  const slider = page.locator('.scrubber').first()
  assert.ok(await slider.evaluate((node) => node === document.activeElement))
  await page.keyboard.press('ArrowLeft')
  assert.match(await slider.getAttribute('aria-valuetext'), /^04:11, \d+ refusals, .*identity \d+/)
  await page.waitForSelector('.tip-body')
}))

test('numbers switch classes off and on, in the address', () => on('/', async (page) => {
  await page.keyboard.press('2')
  await page.waitForURL(/class=/)
  assert.ok(!new URL(page.url()).searchParams.get('class').split(',').includes('identity'))
  await page.keyboard.press('0')
  await page.waitForURL(`${server.url}/`)
}))
