// The pictures of docs/screenshots, taken from a running demo: `node screenshots.mjs http://127.0.0.1:7070`, or some
// of them: `… now now-dark`.

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { launch, openPage, settled } from './browser.mjs'

const OUT = fileURLToPath(new URL('../../docs/screenshots/', import.meta.url))
const BYTES_MAX = 150_000
const LOOKS = [
  ['', { width: 1280, height: 800 }, 'light', ['now', 'diagnose', 'incidents', 'incident', 'entity', 'reports', 'report', 'sql', 'audit']],
  ['-dark', { width: 1280, height: 800 }, 'dark', ['now', 'diagnose', 'incident', 'entity']],
  ['-phone', { width: 390, height: 844 }, 'dark', ['now', 'diagnose', 'incident']],
]

const [url, ...wanted] = process.argv.slice(2)
const ask = async (path, body) => (await fetch(url + path, body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {})).json()

const QUESTION = "select cause, count(*) as refusals, count(distinct key_id) as keys\nfrom events\nwhere cause is not null\ngroup by cause\norder by refusals desc"
const [row] = await ask('/v1/sql', { sql: "select request_id, key_id from events where cause = 'user_deleted' and request_id is not null and key_id is not null order by event_at desc limit 1" })
const [incident] = await ask('/v1/incidents')
const reports = await ask('/v1/reports')
const pages = {
  now: '/', diagnose: `/diagnose/request/${encodeURIComponent(row.request_id)}`, incidents: '/incidents', incident: `/incidents/${incident.id}`, entity: `/entity/key/${encodeURIComponent(row.key_id)}?from=-1h`,
  reports: '/reports', report: `/reports/${(reports.find((one) => one.name === 'failures') ?? reports[0]).name}`, sql: `/sql#q=${Buffer.from(QUESTION).toString('base64url')}`, audit: '/audit',
}

const browser = await launch()
for (const [ending, size, theme, names] of LOOKS) {
  for (const name of names) {
    if (wanted.length > 0 && !wanted.includes(name + ending)) continue
    const path = pages[name]
    const opened = await openPage(browser, { url, size, theme, now: null, touch: size.width < 640 })
    opened.page.setDefaultTimeout(180_000)
    await opened.goto(path)
    await settled(opened.page)
    if (name === 'sql') {
      await opened.page.waitForSelector('.editor')
      await opened.page.getByRole('button', { name: 'Run' }).click()
      await opened.page.waitForSelector('.result')
    }
    await opened.page.waitForTimeout(300)
    const file = join(OUT, `${name}${ending}.png`)
    await opened.page.screenshot({ path: file })
    console.log(`${file} ${statSync(file).size} bytes${statSync(file).size > BYTES_MAX ? ': too large' : ''}`)
    for (const fault of opened.wrong) console.log(`${name}: ${fault}`)
    await opened.close()
  }
}
await browser.close()
