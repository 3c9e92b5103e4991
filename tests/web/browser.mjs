// A headless Chromium whose pages fail the test on a CSP violation, a console error, or a request to another origin.

import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

import { NOW } from './fixture_server.mjs'

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS })

export const SIZES = { phone: { width: 320, height: 640 }, tablet: { width: 768, height: 1024 }, desktop: { width: 1440, height: 900 } }

/** A page with its own storage, and a list of what went wrong on it.
 * @param {{url: string, size?: keyof typeof SIZES | {width: number, height: number}, theme?: 'light' | 'dark', now?: number | null, touch?: boolean, allow?: RegExp, scale?: number}} how
 *   `allow` names the console errors that a test provokes */
export async function openPage(browser, { url, size = 'desktop', theme = 'light', now = NOW, touch = false, allow, scale = 1 }) {
  const context = await browser.newContext({
    viewport: typeof size === 'string' ? SIZES[size] : size, colorScheme: theme, timezoneId: 'Europe/Berlin', locale: 'en-GB', hasTouch: touch, isMobile: touch, reducedMotion: 'reduce', deviceScaleFactor: scale, acceptDownloads: true,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  const page = await context.newPage()
  if (now !== null) await page.clock.setFixedTime(now)
  const wrong = []
  await page.exposeFunction('reportViolation', (text) => wrong.push(`CSP: ${text}`))
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`))
  })
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !allow?.test(message.text())) wrong.push(`console: ${message.text()} ${message.location().url}`)
  })
  page.on('pageerror', (error) => wrong.push(`exception: ${error.stack ?? error.message}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) wrong.push(`foreign request: ${request.url()}`)
  })
  return {
    page, wrong,
    goto: (path) => page.goto(url + path),
    /** Nothing went wrong so far. */
    clean: () => assert.deepEqual(wrong, [], `on ${page.url()}`),
    close: () => context.close(),
  }
}

/** The page has its first sentence, and nothing is loading. */
export async function settled(page) {
  await page.waitForSelector('main h1')
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]') && document.querySelector('main h1')?.textContent !== 'Reading…')
  await page.waitForFunction(() => !document.querySelector('.skeleton'))
  await page.waitForFunction(() => [...document.querySelectorAll('figure')].every((figure) => figure.dataset.drawn === 'yes' || !figure.isConnected))
}

/** The fixed time of the fixtures, as it stands in answers. */
export const NOW_ISO = new Date(NOW).toISOString()
