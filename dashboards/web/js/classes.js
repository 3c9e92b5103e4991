// Cause classes: their fixed order, colour tokens, patterns and point shapes. Their labels come from the catalog.

/** Bottom of a stack to its top, and the order of every legend. */
export const ORDER = ['served', 'identity', 'key', 'account', 'permission', 'tenant', 'credential', 'environment', 'limits', 'platform', 'undecidable']

/** The code's own word for "cannot be decided" is `none`.
 * @param {string | null | undefined} code */
export const token = (code) => (code && ORDER.includes(code) ? code : 'undecidable')

/** Refused means every class but the requests that were served and should not have been. @param {string} code */
export const isRefusal = (code) => token(code) !== 'served'

const lines = (/** @type {number} */ rotation) => ({ symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 5], rotation, symbolSize: 1 })
const lattice = (/** @type {string} */ symbol, /** @type {number} */ size, /** @type {number} */ gap) => ({ symbol, symbolSize: 0.8, dashArrayX: [[size, gap], [0, gap, size, 0]], dashArrayY: [size, gap > size ? gap - size : 0], rotation: 0 })

/** The third channel, off by default: every property given, so that ECharts mixes nothing of its own in. */
export const DECALS = /** @type {Record<string, any>} */ ({
  served: lattice('rect', 4, 4),
  identity: null,
  key: lines(-Math.PI / 4),
  account: lattice('circle', 6, 6),
  permission: lines(Math.PI / 4),
  tenant: lines(0),
  credential: { symbol: 'rect', symbolSize: 1, dashArrayX: [[6, 4], [0, 5, 6, 0]], dashArrayY: [2, 4], rotation: 0 },
  environment: lattice('triangle', 7, 7),
  limits: lines(Math.PI / 2),
  platform: lattice('diamond', 8, 8),
  undecidable: lattice('rect', 3, 9),
})

const path = (/** @type {string} */ d) => `path://${d}`
/** Point shapes, so that a scatter can be told apart without colour. */
export const SHAPES = /** @type {Record<string, string>} */ ({
  served: path('M0 2 2 0 5 3 8 0 10 2 7 5 10 8 8 10 5 7 2 10 0 8 3 5Z'),
  identity: 'circle',
  key: 'diamond',
  account: 'rect',
  permission: 'triangle',
  tenant: path('M0 0H10L5 10Z'),
  credential: 'pin',
  environment: path('M3 0H7L10 5 7 10H3L0 5Z'),
  limits: path('M4 0H6V4H10V6H6V10H4V6H0V4H4Z'),
  platform: path('M5 0 6.2 3.6 10 3.8 7 6.2 8 10 5 7.8 2 10 3 6.2 0 3.8 3.8 3.6Z'),
  undecidable: path('M5 0A5 5 0 1 0 5 10 5 5 0 1 0 5 0ZM5 2A3 3 0 1 1 5 8 3 3 0 1 1 5 2Z'),
})
