// What was typed into the find box and may be a key: handed to the Diagnose page once, in memory only.

/** @type {string | null} */
let held = null

/** @param {string} text */
export const hand = (text) => {
  held = text
}

/** @returns {string | null} what was handed over; the second time there is nothing */
export function take() {
  const text = held
  held = null
  return text
}
