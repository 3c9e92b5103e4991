// Everything that draws. Loaded after the first sentence is on screen, so that text never waits for pictures.

export { figure } from './chart.js'
export { flowOf } from './flow.js'
export { changes, lanes } from './lanes.js'
export { ceiling, stack } from './stack.js'
