// Every picture under the pointer, and the live stream.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { launch, NOW_ISO, openPage, settled } from './browser.mjs'
import { start } from './fixture_server.mjs'

let browser
before(async () => { browser = await launch() })
after(() => browser.close())

const CHARTED = { now: '/', past: '/?from=-24h', verdict: '/diagnose/request/req-815000', incident: '/incidents/5f0c9a1be47d2233', entity: '/entity/key/key-acme-backup-9f2c?from=-1h', report: '/reports/failures_by_cause?view=chart' }

for (const theme of ['light', 'dark']) {
  test(`hovering every chart shows its numbers and violates nothing, in ${theme}`, async () => {
    const server = await start()
    const opened = await openPage(browser, { url: server.url, theme })
    const { page } = opened
    for (const [name, path] of Object.entries(CHARTED)) {
      await opened.goto(path)
      await settled(page)
      const canvases = await page.locator('.canvas').all()
      assert.ok(canvases.length > 0, name)
      for (const canvas of canvases) {
        await canvas.scrollIntoViewIfNeeded()
        const box = await canvas.boundingBox()
        for (const [x, y] of [[0.3, 0.5], [0.62, 0.4], [0.9, 0.6], [0.97, 0.3]]) await page.mouse.move(box.x + box.width * x, box.y + box.height * y)
        await page.mouse.move(box.x + box.width * 0.9, box.y + box.height * 0.6)
        await page.waitForTimeout(60)
      }
      assert.ok(await page.locator('.tip-body').count() > 0, `${name} has a tooltip`)
    }
    opened.clean()
    await opened.close()
    await server.close()
  })
}

test('dragging over the chart chooses that range', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  const { page } = opened
  await opened.goto('/')
  await settled(page)
  const box = await page.locator('.canvas.chart').boundingBox()
  await page.mouse.move(box.x + box.width * 0.4, box.y + 100)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.5, box.y + 110, { steps: 5 })
  await page.mouse.move(box.x + box.width * 0.6, box.y + 110, { steps: 5 })
  await page.mouse.up()
  await page.waitForURL(/from=2026-11-23T02:\d\d:\d\dZ&to=2026-11-23T02:\d\d:\d\dZ/)
  opened.clean()
  await opened.close()
  await server.close()
})

test('the table behind a chart holds the same numbers, and each leads to its rows', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  const { page } = opened
  await opened.goto('/')
  await settled(page)
  await page.getByRole('button', { name: 'Table' }).first().click()
  const rows = page.locator('.numbers tbody tr')
  assert.equal(await rows.count(), 61)
  const link = rows.nth(3).locator('a').first()
  assert.match(await link.getAttribute('href'), /^\/sql#q=/)
  opened.clean()
  await opened.close()
  await server.close()
})

test('patterns are drawn when asked for, without a violation', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  const { page } = opened
  await opened.goto('/')
  await settled(page)
  const picture = () => page.locator('.canvas.chart canvas').evaluate((node) => node.toDataURL())
  const before_ = await picture()
  await page.getByRole('button', { name: 'Patterns' }).click()
  await page.waitForTimeout(300)
  assert.notEqual(await picture(), before_)
  opened.clean()
  await opened.close()
  await server.close()
})

test('on a phone a vertical swipe over the chart scrolls the page', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url, size: { width: 390, height: 844 }, touch: true })
  const { page } = opened
  await opened.goto('/')
  await settled(page)
  assert.equal(await page.locator('.canvas.chart').evaluate((node) => getComputedStyle(node).touchAction), 'pan-y')
  const box = await page.locator('.canvas.chart').boundingBox()
  const session = await page.context().newCDPSession(page)
  const touch = (type, y) => session.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x: box.x + 100, y }] })
  await touch('touchStart', box.y + 90)
  for (let step = 1; step <= 10; step += 1) await touch('touchMove', box.y + 90 - step * 25)
  await touch('touchEnd')
  await page.waitForFunction(() => scrollY > 100)
  opened.clean()
  await opened.close()
  await server.close()
})

test('a delta changes the counters in place, and freezing holds them', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  const { page } = opened
  await opened.goto('/')
  await settled(page)
  const heading = page.locator('h1')
  const was = await heading.textContent()
  const delta = (count) => ({ as_of: NOW_ISO, complete_until: NOW_ISO, buckets: ['2026-11-23T03:11:00Z'], requests: [9000], series: [{ class: 'identity', counts: [count] }] })
  server.emit('delta', delta(4000))
  await page.waitForFunction((text) => document.querySelector('h1').textContent !== text, was)
  await page.keyboard.press('.')
  assert.match(await page.locator('.freshness').textContent(), /^Frozen at 04:12:40 \(press \. to resume\)$/)
  const frozen = await heading.textContent()
  server.emit('delta', delta(9000))
  await page.waitForTimeout(300)
  assert.equal(await heading.textContent(), frozen)
  await page.keyboard.press('.')
  await page.waitForFunction((text) => document.querySelector('h1').textContent !== text, frozen)
  opened.clean()
  await opened.close()
  await server.close()
})

test('two tabs share one stream, and the second stands at once', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  await opened.goto('/')
  await settled(opened.page)
  const second = await opened.page.context().newPage()
  await second.clock.setFixedTime(Date.parse(NOW_ISO))
  await second.goto(`${server.url}/`)
  await settled(second)
  assert.equal(await second.locator('.freshness').textContent(), 'Live, 2 s behind')
  assert.equal(server.state.requests.filter((one) => one.path === '/v1/live').length, 1)
  await opened.page.close()
  await second.waitForFunction(() => document.querySelector('.freshness').textContent === 'Live, 2 s behind')
  for (let tries = 0; tries < 50 && server.state.streams.size !== 1; tries += 1) await new Promise((done) => setTimeout(done, 50))
  assert.equal(server.state.streams.size, 1, 'the stream goes on in the tab that is left')
  await opened.close()
  await server.close()
})

test('a lost stream says since when the data is old, and comes back', async () => {
  const server = await start({ scenario: 'lost' })
  const opened = await openPage(browser, { url: server.url, allow: /ERR_/ })
  await opened.goto('/')
  await settled(opened.page)
  await opened.page.waitForFunction(() => /^Not live\. Data from 04:12:40\. Reconnecting in \d+ s$/.test(document.querySelector('.freshness').textContent))
  server.state.scenario = 'busy'
  await opened.page.waitForFunction(() => document.querySelector('.freshness').textContent === 'Live, 2 s behind')
  opened.clean()
  await opened.close()
  await server.close()
})

test('a new incident waits while the list is under the hand', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  const { page } = opened
  await opened.goto('/incidents')
  await settled(page)
  const { incidents } = await import('./fixtures/night.mjs')
  server.emit('incident', { ...incidents(Date.parse(NOW_ISO))[0], id: 'aaaabbbbccccdddd', title: 'Something new' })
  await page.waitForSelector('text=1 new, press r')
  assert.equal(await page.locator('main .incidents', { hasText: 'Something new' }).count(), 0)
  opened.clean()
  await opened.close()
  await server.close()
})

test('flow, lanes and markers are cut down to what a chart can hold', async () => {
  const server = await start()
  const opened = await openPage(browser, { url: server.url })
  await opened.goto('/')
  const found = await opened.page.evaluate(async () => {
    const [{ bundled }, { clustered }, { spans }] = await Promise.all(['flow', 'stack', 'lanes'].map((name) => import(`/assets/js/${name}.js`)))
    const flow = Array.from({ length: 30 }, (_, index) => ({ denied_by: 'gateway', class: 'key', tenant: index === 0 ? 'gateway' : `t${index}`, count: 100 - index }))
    const marks = Array.from({ length: 50 }, (_, index) => ({ at: new Date(index * 60_000).toISOString(), kind: 'identity_change', title: String(index) }))
    return {
      tenants: bundled(flow).map((link) => link.tenant), sum: bundled(flow).reduce((all, link) => all + link.count, 0),
      groups: clustered(marks, 0, 3_000_000, 500).length, all: clustered(marks, 0, 3_000_000, 500).reduce((all, group) => all + group.titles.length, 0),
      held: spans([{ at: new Date(5000).toISOString(), field: 'status', from: 'active', to: 'deleted' }], 0, 9000),
    }
  })
  assert.equal(found.tenants.length, 8)
  assert.equal(found.tenants.at(0), '23 others')
  assert.equal(found.sum, 30 * 100 - 435)
  assert.ok(found.groups <= 12)
  assert.deepEqual(found.held, [{ from: 0, to: 5000, state: 'active' }, { from: 5000, to: 9000, state: 'deleted' }])
  await opened.close()
  await server.close()
})
