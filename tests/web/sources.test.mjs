// What can be said of the dashboard's files without running them.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const WEB = fileURLToPath(new URL('../../dashboards/web/', import.meta.url))
const HERE = fileURLToPath(new URL('./', import.meta.url))
const read = (name) => readFileSync(join(WEB, name), 'utf8')
const list = (folder, ending) => readdirSync(join(WEB, folder), { recursive: true }).filter((name) => name.endsWith(ending)).map((name) => join(folder, name))
const scripts = list('js', '.js')
const styles = list('css', '.css')

test('no module writes HTML, inline styles or code from strings', () => {
  const forbidden = /\binnerHTML|\bouterHTML|insertAdjacentHTML|document\.write|setAttribute\(['"]style|\beval\(|new Function\b|srcdoc|\.cssText/
  for (const name of scripts) assert.doesNotMatch(read(name), forbidden, name)
})

test('the page has nothing inline and asks for nothing elsewhere', () => {
  const html = read('index.html')
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=/)
  for (const name of ['index.html', ...styles]) assert.doesNotMatch(read(name), /(?:https?:)?\/\/(?!\*)[\w.-]+\.\w+/, name)
})

test('types hold', () => {
  execFileSync(process.execPath, [join(HERE, 'node_modules/typescript/bin/tsc'), '-p', join(WEB, 'jsconfig.json')], { stdio: 'pipe' })
})

/** A module and all that it imports before it runs; what it imports later is not part of the first sentence. */
function needed(name, found = new Set()) {
  if (found.has(name)) return found
  found.add(name)
  for (const [, target] of read(name).matchAll(/^import [^;\n]*?from '([^']+)'/gm)) needed(join(dirname(name), target), found)
  return found
}

test('what a page needs for its first sentence is within 60 KB of gzip', () => {
  const shell = ['index.html', 'js/first.js', ...styles]
  for (const page of scripts.filter((name) => name.startsWith('js/pages/'))) {
    const size = [...shell, ...needed(page, needed('js/main.js'))].reduce((all, name) => all + gzipSync(read(name)).length, 0)
    assert.ok(size <= 60 * 1024, `${page}: ${size} bytes`)
  }
})

test('vendored files are what their checksums say', () => {
  for (const line of read('vendor/SHA256SUMS').trim().split('\n')) {
    const [sum, name] = line.split(/\s+/)
    assert.equal(createHash('sha256').update(readFileSync(join(WEB, 'vendor', name))).digest('hex'), sum, name)
  }
})

test('lock files name no host', () => {
  for (const name of [join(HERE, 'package-lock.json'), join(WEB, 'vendor/codemirror/package-lock.json')]) assert.doesNotMatch(readFileSync(name, 'utf8'), /"resolved"|https?:/, name)
})

const tokens = Object.fromEntries([...read('css/tokens.css').matchAll(/^ {2}(--[\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/gm)].map(([, name, light, dark]) => [name, { light, dark }]))

const luminance = (hex) => {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const contrast = (a, b) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

test('every colour has the contrast that its use needs, in both themes', () => {
  const grounds = ['--bg', '--surface', '--raised']
  const text = ['--ink', '--ink-2', '--ink-3', '--accent', '--critical', '--warning', ...Object.keys(tokens).filter((name) => /^--c-.*-text$/.test(name))]
  const marks = ['--edge', ...Object.keys(tokens).filter((name) => /^--c-/.test(name) && !name.endsWith('-text'))]
  assert.equal(marks.length, 12)
  for (const theme of ['light', 'dark']) {
    const check = (name, ground, least) => {
      const ratio = contrast(tokens[name][theme], tokens[ground][theme])
      assert.ok(ratio >= least, `${name} on ${ground} in ${theme}: ${ratio.toFixed(2)} < ${least}`)
    }
    for (const ground of grounds) {
      for (const name of text) check(name, ground, 4.5)
      for (const name of marks) check(name, ground, 3)
    }
    for (const name of ['--ink', '--ink-2', '--ink-3']) check(name, '--selected', 4.5)
    check('--on-accent', '--accent', 4.5)
    check('--on-critical', '--critical', 4.5)
  }
})

test('every token that is used exists, and every one that exists is used', () => {
  const defined = new Set([...read('css/tokens.css').matchAll(/^\s+(--[\w-]+):/gm)].map(([, name]) => name))
  const all = [...styles, ...scripts].map(read).join('\n')
  for (const [, name] of all.matchAll(/var\((--[\w-]+)\)/g)) assert.ok(defined.has(name), `${name} is nowhere defined`)
  const named = new Set([...all.matchAll(/var\((--[\w-]+)\)/g)].map(([, name]) => name))
  for (const name of defined) assert.ok(named.has(name) || name.startsWith('--c-') || name === '--decal', `${name} is never used`)
})

test('every cause of the code has a class that the dashboard has a colour for', async () => {
  const { ORDER, token } = await import('../../dashboards/web/js/classes.js')
  const code = readFileSync(join(HERE, '../../src/core/cause.rs'), 'utf8')
  const names = [...code.matchAll(/Self::\w+ => "(\w+)",/g)].map(([, name]) => name).filter((name) => !name.includes(' '))
  const classes = names.slice(0, 11)
  assert.equal(new Set(classes.map(token)).size, 11, String(classes))
  for (const name of classes) assert.ok(ORDER.includes(token(name)))
})
