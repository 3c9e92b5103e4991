// What a page says when there is nothing, when something failed, and when somebody may not: the exact words. An error
// never looks like silence.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'

import { launch, openPage, settled } from './browser.mjs'
import { start } from './fixture_server.mjs'

let browser
before(async () => { browser = await launch() })
after(() => browser.close())

/** Opens one page in one scenario. */
async function at(scenario, path, run, how = {}) {
  const server = await start({ scenario })
  const opened = await openPage(browser, { url: server.url, allow: /status of \d+|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE/, ...how })
  await opened.goto(path)
  const said = async () => (await opened.page.locator('main').innerText()).replace(/[ \n]+/g, ' ')
  try {
    await run({ ...opened, server, said })
    opened.clean()
  } finally {
    await opened.close()
    await server.close()
  }
}

const says = (scenario, path, text) => test(`${scenario}: ${path} says ${text}`, () => at(scenario, path, async ({ page, said }) => {
  await settled(page)
  await page.waitForFunction((source) => new RegExp(source).test(document.querySelector('main').innerText.replace(/[ \n]+/g, ' ')), text.source, { timeout: 5000 }).catch(() => {})
  assert.match(await said(), text)
}))

says('quiet', '/', /Quiet\. 1?\d(\.\d)? refusals a minute, usual for Mon 04:00\./)
says('zero', '/', /0 refusals in this range\. \d{3}\u202f\d{3} requests seen\./)
says('nothing', '/', /No requests received in this range\. The last one came at 03:58:11, 14 min before its end\. Check ingest\./)
says('fresh', '/', /No requests yet\. Point a gateway’s log at Claviger: `claviger formats FILE` shows how\./)
says('busy', '/', /refusals a minute, 4\.9\u202f% of requests\. Usual for Mon 04:00: 96\. Since 03:58\. Mostly User deleted \(tenant acme, 3 keys\)\./)
says('busy', '/?tenant=other&from=2026-11-23T02:00:00Z&to=2026-11-23T03:00:00Z', /No requests received in this range\./)
says('busy', '/?class=account', /Nothing matches account\. Remove a filter: account ×/)
says('error', '/?from=-6h', /Could not load the refusals\. The lake cannot be read\. Check credentials and free space at its address\. Try again · Copy details \(id 7f3a\)/)
says('timeout', '/?from=-6h', /Stopped after 30 s\. Narrow the range or choose a tenant\./)
says('limited', '/?from=-6h', /Too many requests\. Next try in 1\d s\./)
says('no-incidents', '/incidents', /Nothing open\. Last: Key guessing from 198\.51\.100\.0\/24, resolved 22 Nov 22:41\./)
says('unknown', '/entity/key/key-none', /in no snapshot; seen .* times\./)
says('busy', '/incidents/8a77310c55e0f1d2', /open 6 min, since 04:06 .* Judged by its day: what came since 01:06\./)
says('unknown', '/diagnose/request/r-81', /Never seen: r-81\. Searched 14 days, 412 files\. Older data was removed on 2 Nov\./)
says('busy', '/diagnose/request/req-undecidable', /Cannot be decided: the access log has no auth\.error field\./)
says('busy', '/diagnose/request/req-served', /This request was served \(200\)\. Should it have been\? Yes: key, user and scope were in order\./)
says('busy', '/diagnose?find=acme', /2 things answer to this\. Which one\?/)
says('cut', '/reports/failures_by_cause', /First 6 of 48\u202f112 rows\. The download has all\./)
says('broken-chain', '/audit', /The chain is broken at record 88412: its digest does not match\. Do not rely on what follows\./)
says('busy', '/audit', /24 records from 2026-11-16 03:12 UTC to now\. Chain verified to 2026-11-23 03:00:40 UTC \(digest 8841\)\. Not yet covered: 412 records\./)

test('a slow panel says so after two seconds, can be cancelled, and blanks no other', () => at('slow', '/?from=-6h', async ({ page, said }) => {
  await page.waitForSelector('text=/Still reading, \\d s\\. Cancel/', { timeout: 10_000 })
  await page.getByRole('button', { name: 'Cancel' }).first().click()
  assert.match(await said(), /Cancelled\. Read again/)
}))

test('signing in keeps the link, and opens the page that was asked for', () => at('signed-out', '/incidents/5f0c9a1be47d2233?x=1', async ({ page, said, server }) => {
  await page.waitForSelector('text=Sign in to see this page.')
  assert.match(await said(), /The link is kept\./)
  await page.getByLabel('Token').fill('clv_wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForSelector('text=This token is not known, has expired or was revoked.')
  await page.getByLabel('Token').fill('clv_test_token')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForSelector('h1:has-text("Deleted user still called")')
  assert.equal(new URL(page.url()).search, '?x=1')
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }).includes('clv_')), false)
  assert.ok(!server.state.requests.some((one) => (one.path + one.query).includes('clv_')), 'no token in an address')
}))

test('signing out forgets what the browser kept', () => at('busy', '/sql', async ({ page }) => {
  await page.waitForSelector('.editor')
  await page.locator('.cm-content').fill('select 1')
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForSelector('text=Sign in to see this page.')
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), [])
}))

test('who may not change is told so, and nothing changes', () => at('forbidden', '/incidents/5f0c9a1be47d2233', async ({ page }) => {
  await settled(page)
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.waitForSelector('text=Your token lacks the scope `incidents:write`. You can read, not change.')
}))

test('an act that lost a race changes nothing and says so', () => at('conflict', '/incidents/5f0c9a1be47d2233', async ({ page }) => {
  await settled(page)
  await page.getByRole('button', { name: 'Acknowledge' }).click()
  await page.waitForSelector('text=Resolved meanwhile by the system. Nothing changed.')
}))

test('acknowledging can be undone for as long as the page is open', () => at('busy', '/incidents/5f0c9a1be47d2233', async ({ page, server }) => {
  await settled(page)
  await page.keyboard.press('a')
  await page.waitForSelector('text=/Acknowledged by you, \\d\\d:\\d\\d\\./')
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.waitForSelector('button:has-text("Acknowledge")')
  const acts = server.state.requests.filter((one) => one.method === 'POST' && one.path.startsWith('/v1/incidents/')).map((one) => [one.path.split('/').pop(), JSON.parse(one.body).version])
  assert.deepEqual(acts, [['ack', 3], ['unack', 4]])
}))

test('a silence asks for its end and its reason, and shows what it would hide', () => at('busy', '/incidents/5f0c9a1be47d2233', async ({ page, server }) => {
  await settled(page)
  await page.keyboard.press('s')
  await page.waitForSelector('text=/It would hide 1 open incident and 12 findings of the past week\\./')
  assert.ok(await page.getByRole('button', { name: 'Silence for 4 h' }).isVisible())
  await page.getByRole('radio', { name: '1 h' }).check()
  await page.getByLabel('Reason').fill('planned move')
  await page.getByRole('button', { name: 'Silence for 1 h' }).click()
  await page.waitForSelector('text=/silenced until/')
  const sent = server.state.requests.find((one) => one.path.endsWith('/silence') && one.method === 'POST')
  assert.deepEqual(JSON.parse(sent.body), { version: 3, note: 'planned move', for_s: 3600 })
}))

test('a pasted key is masked, sent once in a body, and is in no address, history or storage', () => at('busy', '/diagnose', async ({ page, server }) => {
  const key = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'
  await settled(page)
  const box = page.getByLabel('What to diagnose')
  await box.fill(key)
  assert.match(await box.getAttribute('class'), /masked/)
  assert.equal(await page.locator('#box-says').textContent(), 'Looks like a key: hashed on arrival, never kept')
  await box.press('Enter')
  await page.waitForURL(/\/diagnose\/key\/key-acme-backup-9f2c/)
  await page.waitForSelector('h1:has-text("Refused because the user behind the key is deleted.")')
  const carrying = server.state.requests.filter((one) => JSON.stringify(one).includes(key))
  assert.deepEqual(carrying.map((one) => [one.method, one.path, one.query]), [['POST', '/v1/diagnose', '']])
  assert.equal(await page.evaluate((text) => JSON.stringify({ ...localStorage, ...sessionStorage }).includes(text) || document.documentElement.outerHTML.includes(text) || JSON.stringify(history.state ?? {}).includes(text) || [...document.querySelectorAll('input')].some((input) => input.value.includes(text)), key), false)
}))

test('a link to a query never runs by itself', () => at('busy', `/sql#q=${Buffer.from('select 1').toString('base64url')}`, async ({ page, server }) => {
  await page.waitForSelector('text=From a link. Read it, then Run.')
  await page.waitForSelector('.editor')
  assert.ok(!server.state.requests.some((one) => one.path === '/v1/sql'))
  await page.getByRole('button', { name: 'Run' }).click()
  await page.waitForSelector('.result')
  assert.match(await page.locator('.summary').textContent(), /6 rows of 6 · 84 ms · 1\.19 MiB read · limits: 30 s, 10\u202f000 rows/)
  assert.ok(await page.getByText('9\u202f007\u202f199\u202f254\u202f740\u202f993').isVisible(), '64-bit integers keep every digit')
}))

for (const [sql, words] of [['select * from read_csv(1)', /`read_csv` is not allowed\. Queries only read Claviger's tables\./], ['select cause\n   form events', /Line 1, column 17: Expected: from, found: form\./], ['select 1 where false', /0 rows\. The query is fine\./]]) {
  test(`SQL: ${sql.replace(/\s+/g, ' ')}`, () => at('busy', '/sql', async ({ page, said }) => {
    await page.waitForSelector('.editor')
    await page.locator('.cm-content').fill(sql)
    await page.keyboard.press('Control+Enter')
    await page.waitForFunction(() => /\.failure|query is fine/.test(document.querySelector('.summary').textContent) || document.querySelector('.desk .failure')?.textContent)
    assert.match(await said(), words)
  }))
}

test('a running query is stopped by its key, and the draft survives a reload', () => at('slow', '/sql', async ({ page }) => {
  await page.waitForSelector('.editor')
  await page.locator('.cm-content').fill('select 1 as slow')
  await page.keyboard.press('Control+Enter')
  await page.waitForSelector('button:has-text("Stop"):not([disabled])')
  await page.keyboard.press('Control+.')
  await page.waitForSelector('text=/Stopped after/')
  await page.reload()
  await page.waitForSelector('.editor')
  assert.equal(await page.locator('.cm-content').textContent(), 'select 1 as slow')
}))

test('an export is watched until it is done, and shows how to verify it', () => at('busy', '/audit', async ({ page, server }) => {
  await settled(page)
  await page.keyboard.press('e')
  await page.getByRole('button', { name: 'Export', exact: true }).click()
  await page.waitForSelector('text=/Export 410 of 1\u202f000 records, 41\\.0\u202f%, 64 KiB\\. You can leave; it goes on\\./')
  await page.waitForSelector('text=claviger verify x1')
  assert.ok(await page.getByRole('button', { name: 'requests.ndjson' }).isVisible())
  const { from, to, output } = JSON.parse(server.state.requests.find((one) => one.method === 'POST' && one.path === '/v1/exports').body)
  assert.deepEqual({ from, to, output }, { from: '2026-11-16T03:12:40Z', to: '2026-11-23T03:12:40Z', output: 'ndjson' })
}))

test('what would break is asked by its key, and changes nothing', () => at('busy', '/entity/key/key-acme-backup-9f2c?from=-1h', async ({ page, server, said }) => {
  await settled(page)
  await page.keyboard.press('w')
  await page.waitForSelector('text=/12840 requests a day would fail/')
  assert.match(await said(), /Nothing was changed\. Refused already: 31 a day\. Callers .* curl\/8\.5\.0/)
  assert.ok(server.state.requests.every((one) => one.method === 'GET'))
}))

test('a support bundle is a file that is named after what it is about', () => at('busy', '/diagnose/request/req-815000', async ({ page, server }) => {
  await settled(page)
  const file = page.waitForEvent('download')
  await page.keyboard.press('b')
  assert.equal((await file).suggestedFilename(), 'claviger-bundle-req-815000.tar')
  const { kind, id } = JSON.parse(server.state.requests.find((one) => one.path === '/v1/bundle').body)
  assert.deepEqual({ kind, id }, { kind: 'request', id: 'req-815000' })
}))
