// What the dashboard decides without a browser: how numbers, times and ranges are written, how a delta is merged, what
// was pasted into the box.

import assert from 'node:assert/strict'
import { test } from 'node:test'

const js = (name) => import(`../../dashboards/web/js/${name}.js`)
process.env.TZ = 'Europe/Berlin'

test('numbers are grouped in full and never rounded across a limit', async () => {
  const { full, short, share } = await js('numbers')
  assert.equal(full(12840), '12\u202f840')
  assert.equal(full('9007199254740993'), '9\u202f007\u202f199\u202f254\u202f740\u202f993')
  assert.equal(full(-1200.5), '−1\u202f200.5')
  assert.equal(full(null), '–')
  assert.equal(short(312), '312')
  assert.equal(short(40_112), '40.1k')
  assert.equal(short(999_999), '999k')
  assert.equal(short(1_000_000), '1M')
  assert.equal(share(0, 10), '0\u202f%')
  assert.equal(share(10, 10), '100\u202f%')
  assert.equal(share(1, 100_000), '<0.1\u202f%')
  assert.equal(share(99_999, 100_000), '>99.9\u202f%')
  assert.equal(share(31, 1000), '3.1\u202f%')
  assert.equal(share(1, 0), '–')
})

test('durations have two units at most, bytes count in 1 024s, odds are words', async () => {
  const { bytes, duration, odds } = await js('numbers')
  assert.deepEqual([850, 12_400, 200_000, 7_500_000, 356_400_000].map(duration), ['850 ms', '12 s', '3 min 20 s', '2 h 5 min', '4 d 3 h'])
  assert.equal(bytes(1_258_291), '1.19 MiB')
  assert.equal(bytes('1024'), '1 KiB')
  assert.equal(odds(1e-7), '1 in 10 million')
  assert.equal(odds(0.05), '1 in 20')
})

test('a time names its date unless it is today, and a record is UTC always', async () => {
  const { hourOfWeek, record, when, clock } = await js('times')
  const now = Date.parse('2026-11-23T03:12:40Z')
  assert.equal(when('2026-11-23T02:58:14Z', { utc: true, now }), '02:58')
  assert.equal(when('2026-11-22T20:40:00Z', { utc: true, now }), '22 Nov 20:40')
  assert.equal(when('2025-11-22T20:40:00Z', { utc: true, now }), '22 Nov 2025 20:40')
  assert.equal(clock('2026-11-23T02:58:14.250Z', { to: 'ms', utc: true }), '02:58:14.250')
  assert.equal(record('2026-11-23T02:58:11Z'), '2026-11-23 02:58:11')
  assert.match(hourOfWeek('2026-11-22T02:10:00Z'), /^Sun 03:00$/)
})

test('a live range moves with now, a frozen one stays, and both are told from nonsense', async () => {
  const { isTime, resolve, shift, zoom } = await js('range')
  const now = Date.parse('2026-11-23T03:00:00Z')
  assert.deepEqual(resolve({ from: '-6h', to: null }, now), { from: now - 21_600_000, to: now, live: true })
  assert.deepEqual(shift({ from: now - 3_600_000, to: now, live: true }, -1, now), { from: '2026-11-23T01:30:00Z', to: '2026-11-23T02:30:00Z' })
  assert.equal(shift({ from: now - 3_600_000, to: now, live: true }, 1, now).to, '2026-11-23T03:00:00Z', 'never beyond now')
  assert.deepEqual(zoom({ from: '-1h', to: null }, { from: now - 3_600_000, to: now, live: true }, -1, now), { from: '-6h', to: null })
  assert.ok(isTime('-15m') && isTime('2026-11-23T03:00Z') && !isTime('yesterday') && !isTime('-6y'))
  assert.equal(resolve({ from: 'nonsense', to: null }, now).live, true)
})

test('a delta replaces the touched buckets, moves the window on and keeps every series dense', async () => {
  const { merge } = await js('overview')
  const at = (minute) => new Date(Date.parse('2026-11-23T03:00:00Z') + minute * 60_000).toISOString()
  const before = { bucket_s: 60, buckets: [at(0), at(1), at(2)], requests: [10, 11, 12], series: [{ class: 'key', counts: [1, 2, 3] }, { class: 'none', counts: [0, 0, 1] }], ingest: {} }
  const after = merge(before, { as_of: at(4), buckets: [at(2), at(3)], requests: [20, 5], series: [{ class: 'key', counts: [9, 4] }] })
  assert.deepEqual(after.buckets, [at(1), at(2), at(3)])
  assert.deepEqual(after.requests, [11, 20, 5])
  assert.deepEqual(after.series, [{ class: 'key', counts: [2, 9, 4] }, { class: 'none', counts: [0, 1, 0] }])
})

test('buckets that still fill are in no total and no sentence', async () => {
  const { complete, rates } = await js('overview')
  const at = (minute) => new Date(Date.parse('2026-11-23T03:00:00Z') + minute * 60_000).toISOString()
  const data = { bucket_s: 60, buckets: [at(0), at(1), at(2)], complete_until: at(2.5), requests: [100, 100, 30], series: [{ class: 'key', counts: [10, 20, 6] }], usual_per_minute: null }
  assert.equal(complete(data), 2)
  assert.equal(rates(data, true).perMinute, 15)
})

test('leading silence is left out down to a quarter of an hour, and said', async () => {
  const { begun } = await js('overview')
  const at = (minute) => new Date(Date.parse('2026-11-23T03:00:00Z') + minute * 60_000).toISOString()
  const buckets = Array.from({ length: 60 }, (_, index) => at(index))
  const of = (first) => ({ bucket_s: 60, buckets, requests: buckets.map((_, index) => (index >= first ? 5 : 0)), series: [{ class: 'key', counts: buckets.map((_, index) => index) }] })
  const late = begun(of(55))
  assert.deepEqual([late.data.buckets.length, late.data.series[0].counts[0], late.since], [15, 45, at(55)])
  assert.equal(begun(of(20)).data.buckets.length, 40)
  assert.equal(begun(of(0)).since, null)
  assert.equal(begun({ ...of(60) }).data.buckets.length, 60, 'silence from end to end is shown as such')
})

test('events are cut out of a stream wherever it is torn', async () => {
  const { eventParser } = await js('live')
  const text = 'id: 7\r\nevent: snapshot\r\ndata: {"a":1}\r\n\r\n: heartbeat\n\nevent: delta\ndata: one\ndata: two\n\n'
  for (let cut = 1; cut < text.length - 1; cut += 1) {
    if (text[cut - 1] === '\r' && text[cut] === '\n') continue
    const parse = eventParser()
    assert.deepEqual([...parse(text.slice(0, cut)), ...parse(text.slice(cut))], [{ event: 'snapshot', data: '{"a":1}', id: '7' }, { event: 'delta', data: 'one\ntwo', id: '7' }], `cut at ${cut}`)
  }
})

test('the box tells ids from keys, and hides when in doubt', async () => {
  const { guess } = await js('find')
  const kinds = { 'req-81abc': 'request', 'key-acme-9f2c': 'key', 'ana@acme.example': 'principal', 'tenant-acme': 'tenant', '5f0c9a1be47d2233': 'incident', '3f2b8c1e-1111-4222-8333-444455556666': 'request' }
  for (const [text, kind] of Object.entries(kinds)) assert.equal(guess(text)?.kind, kind, text)
  assert.equal(guess('error 401 for request_id=req-77aa12, try later')?.id, 'req-77aa12')
  for (const key of ['sk_live_4eC39HqLyjWDarjtT1zdp7dc', 'curl -H "Authorization: Bearer sk_live_4eC39HqLyjWDarjtT1zdp7dc" https://api.example/v1', 'A1b2C3d4E5f6G7h8I9j0K1l2M3n4']) {
    assert.deepEqual([guess(key)?.kind, guess(key)?.secret], ['pasted', true], key)
  }
  assert.equal(guess('sk_live_…9f2c')?.secret, false, 'a masked key is no secret')
  assert.equal(guess('  '), null)
})

test('the statement under the caret is found between semicolons, but not those in quotes', async () => {
  const { statementAt } = await js('editor')
  const sql = "select 1; select ';' as a -- ; no\nfrom t; select 3"
  assert.equal(statementAt(sql, 2), 'select 1')
  assert.equal(statementAt(sql, 20), "select ';' as a -- ; no\nfrom t")
  assert.equal(statementAt(sql, sql.length), 'select 3')
  assert.equal(statementAt('select 1;', 9), 'select 1')
})

test('a question in an address keeps every letter', async () => {
  const { fromFragment, toFragment } = await js('address')
  const sql = "select 'ä–✓' -- ?&#+/="
  assert.equal(fromFragment(toFragment(sql)), sql)
  assert.equal(fromFragment('%%%'), null)
})
