// One figure: a sentence, the picture, a slider that walks through it by keys, and the same numbers as a table.
// The picture is ECharts on a canvas, loaded after the text is on screen.
//
// Tooltips under the CSP: `confine` and a formatter that returns an element. Anything else writes an inline style.

import { append, fill, h } from './dom.js'
import { colour, faded, style } from './theme.js'
import { inUtc } from './times.js'

/** A picture's height is that of its class `size`, or its own in pixels.
 * @typedef {{sentence: string, size?: string, height?: number, scrub?: {count: number, text: (index: number) => string, series?: number | (() => number)}, table?: () => HTMLElement, option: (ink: Ink) => any}} Picture */
/** @typedef {ReturnType<typeof inks>} Ink */

/** @type {Promise<any> | null} */
let library = null
// Unchecked on purpose: the library is vendored as published, without its types.
const LIBRARY = '../vendor/echarts/echarts.esm.min.mjs'
const load = () => (library ??= import(LIBRARY))

/** The tokens as a canvas understands them. @param {HTMLElement} host */
function inks(host) {
  const of = (/** @type {string} */ name) => colour(`--${name}`)
  return {
    of, faded, width: host.clientWidth, height: host.clientHeight,
    ink: of('ink'), ink2: of('ink-2'), ink3: of('ink-3'), line: of('line'), edge: of('edge'),
    surface: of('surface'), accent: of('accent'), critical: of('critical'), font: style('--font'), decal: of('decal'),
  }
}

/** What every chart shares. @param {Ink} ink @param {string} sentence */
const base = (ink, sentence) => ({
  animation: false,
  useUTC: inUtc(),
  aria: { enabled: true, label: { description: sentence } },
  textStyle: { fontFamily: ink.font, fontSize: 12, color: ink.ink3 },
  emphasis: { focus: 'none' },
})

/** Exactly these margins: by itself the library shifts a grid to make room for its labels, and lanes would not line up. */
export const grid = (/** @type {any} */ margins) => ({ outerBoundsMode: 'none', ...margins })

/** @param {Ink} ink @param {any} [more] */
export const axis = (ink, more = {}) => ({
  axisLine: { lineStyle: { color: ink.edge } },
  axisTick: { lineStyle: { color: ink.edge } },
  axisLabel: { color: ink.ink3, fontSize: 12, fontFamily: ink.font, hideOverlap: true, ...more.axisLabel },
  splitLine: { lineStyle: { color: ink.line, width: 1 } },
  // Columns fill their buckets exactly: no half bucket is added at either end.
  containShape: false,
  ...Object.fromEntries(Object.entries(more).filter(([name]) => name !== 'axisLabel')),
})

/** @param {Ink} ink @param {(params: any) => HTMLElement | null} build */
export const tooltip = (ink, build, more = {}) => ({
  confine: true,
  className: 'tip',
  backgroundColor: ink.surface,
  borderColor: ink.edge,
  borderWidth: 1,
  padding: 8,
  textStyle: { color: ink.ink, fontSize: 13 },
  transitionDuration: 0,
  formatter: (/** @type {any} */ params) => build(params) ?? document.createElement('span'),
  ...more,
})

/** @param {Picture} picture
 *  @param {{
 *   size?: string, tools?: import('./dom.js').Child, caption?: boolean,
 *   onSelect?: (from: number, to: number) => void, onClick?: (params: any) => void,
 *   onHover?: (inside: boolean) => void,
 * }} [how] */
export function figure(picture, { size = picture.size ?? 'chart', tools, caption = true, onSelect, onClick, onHover } = {}) {
  const canvas = h('div', { class: `canvas ${size}`, role: 'img', 'aria-label': picture.sentence })
  if (picture.height) canvas.style.setProperty('block-size', `${picture.height}px`)
  const words = h('figcaption', caption ? null : { class: 'unseen' }, picture.sentence)
  const slider = h('input', { type: 'range', class: 'scrubber', min: 0, step: 1, 'aria-label': 'Walk through the chart' })
  const numbers = h('div', { class: 'numbers', hidden: true })
  const toggle = h('button', { type: 'button', 'aria-pressed': 'false', onclick: flip }, 'Table')
  const root = h('figure', null, h('div', { class: 'figure-head' }, words, h('div', { class: 'tools' }, tools, picture.table ? toggle : null)), canvas, picture.scrub ? slider : null, numbers)
  /** @type {any} */
  let chart = null
  let current = picture
  let gone = false

  function flip() {
    const on = toggle.getAttribute('aria-pressed') !== 'true'
    toggle.setAttribute('aria-pressed', String(on))
    canvas.hidden = on
    slider.hidden = on
    numbers.hidden = !on
    if (on && current.table) fill(numbers, current.table())
    else chart?.resize()
  }

  function scrubbed() {
    const index = Number(slider.value)
    slider.setAttribute('aria-valuetext', current.scrub?.text(index) ?? '')
    const series = current.scrub?.series
    chart?.dispatchAction({ type: 'showTip', seriesIndex: typeof series === 'function' ? series() : series ?? 0, dataIndex: index })
  }
  slider.addEventListener('input', scrubbed)
  slider.addEventListener('focus', scrubbed)
  slider.addEventListener('blur', () => chart?.dispatchAction({ type: 'hideTip' }))
  if (onHover) {
    root.addEventListener('pointerenter', () => onHover(true))
    root.addEventListener('pointerleave', () => onHover(false))
  }

  function words_() {
    if (words.textContent !== current.sentence) words.textContent = current.sentence
    canvas.setAttribute('aria-label', current.sentence)
    const count = current.scrub?.count ?? 0
    slider.max = String(Math.max(0, count - 1))
    if (document.activeElement !== slider) slider.value = slider.max
    slider.setAttribute('aria-valuetext', current.scrub?.text(Number(slider.value)) ?? '')
    if (!numbers.hidden && current.table) fill(numbers, current.table())
  }

  function draw(replace = false) {
    if (!chart) return
    const ink = inks(canvas)
    const option = { ...base(ink, current.sentence), ...current.option(ink) }
    chart.setOption(option, { notMerge: replace, lazyUpdate: false })
    if (onSelect && option.brush) chart.dispatchAction({ type: 'takeGlobalCursor', key: 'brush', brushOption: { brushType: 'lineX', brushMode: 'single' } })
  }

  const redraw = () => draw(true)
  const watcher = new ResizeObserver(() => {
    if (canvas.clientWidth === 0) return
    chart?.resize()
    draw()
  })

  async function start() {
    const echarts = await load()
    if (gone) return
    // The element must be in the document and have a width.
    await new Promise((done) => requestAnimationFrame(done))
    if (gone || !canvas.isConnected) return
    chart = echarts.init(canvas, null, { renderer: 'canvas' })
    draw(true)
    if (onClick) chart.on('click', onClick)
    if (onSelect) {
      chart.on('brushEnd', (/** @type {any} */ { areas }) => {
        const range = areas[0]?.coordRange
        chart.dispatchAction({ type: 'brush', areas: [] })
        if (range && range[1] - range[0] > 1000) onSelect(range[0], range[1])
      })
    }
    watcher.observe(canvas)
    root.dataset.drawn = 'yes'
  }

  document.addEventListener('theme', redraw)
  document.addEventListener('zone', redraw)
  words_()
  void start()

  return {
    root,
    slider,
    size,
    /** @param {Picture} next */
    update(next) {
      current = next
      words_()
      draw()
    },
    redraw,
    dispose() {
      gone = true
      watcher.disconnect()
      document.removeEventListener('theme', redraw)
      document.removeEventListener('zone', redraw)
      chart?.dispose()
      chart = null
    },
  }
}

/** A tooltip's content. @param {string} title @param {{swatch?: HTMLElement, name: string, value: string}[]} lines @param {string | null} [foot] */
export function tip(title, lines, foot = null) {
  const root = h('div', { class: 'tip-body' })
  append(root, [h('p', { class: 'tip-title' }, title),
    lines.map((line) => h('p', null, line.swatch ?? null, h('span', null, line.name), h('b', null, line.value))),
    foot ? h('p', { class: 'tip-foot' }, foot) : null])
  return root
}

/** Drag selects a range; on touch it would take the page's scrolling away. */
export const brush = () => (matchMedia('(pointer: fine)').matches
  ? { toolbox: { show: false, feature: { brush: { type: [] } } }, brush: { toolbox: [], xAxisIndex: 0, brushType: 'lineX', brushMode: 'single', transformable: false, throttleType: 'debounce', outOfBrush: { colorAlpha: 1 }, brushStyle: { color: 'rgba(127,135,148,0.2)', borderWidth: 1, borderColor: 'rgba(127,135,148,0.8)' } } }
  : {})
