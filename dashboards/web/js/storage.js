// What this browser remembers: theme, zone, drafts, history. Never a token, never a result; wiped at sign-out.

const PREFIX = 'claviger.'

/** @param {string} name @returns {string | null} */
export function read(name) {
  try {
    return globalThis.localStorage?.getItem(PREFIX + name) ?? null
  } catch {
    return null
  }
}

/** @param {string} name @param {string | null} value null forgets */
export function write(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name)
    else localStorage.setItem(PREFIX + name, value)
  } catch {
    // Full or switched off: the page works without a memory.
  }
}

/** @template T @param {string} name @param {T} otherwise @returns {T} */
export function readJson(name, otherwise) {
  try {
    const text = read(name)
    return text === null ? otherwise : JSON.parse(text)
  } catch {
    return otherwise
  }
}

/** @param {string} name @param {unknown} value */
export const writeJson = (name, value) => write(name, JSON.stringify(value))

export function wipe() {
  try {
    for (const name of Object.keys(localStorage)) if (name.startsWith(PREFIX)) localStorage.removeItem(name)
  } catch {
    // Nothing was kept.
  }
}
