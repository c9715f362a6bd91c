import type { Storage } from '@graphiql/toolkit';

const NAMESPACE = 'graphiql:';
const HEADERS = `${NAMESPACE}headers`;
/** Lists of requests, each with the text that stood under Headers; variables are text in them, too. */
const LISTS: readonly string[] = ['tabState', 'queries', 'favorites'].map((name) => `${NAMESPACE}${name}`);

/**
 * What GraphiQL keeps in the browser, without what is typed under Headers: that may be a token, and whoever opens this page
 * next may be someone else. GraphiQL leaves headers out of its tabs, its history does not.
 */
export const storage: Storage = {
  get length() {
    return localStorage.length;
  },
  getItem: (key) => localStorage.getItem(key),
  setItem(key, value) {
    if (key === HEADERS) return;
    localStorage.setItem(key, LISTS.includes(key) ? withoutHeaders(value) : value);
  },
  removeItem: (key) => localStorage.removeItem(key),
  clear() {
    for (const key of Object.keys(localStorage)) if (key.startsWith(NAMESPACE)) localStorage.removeItem(key);
  },
};

/** Takes away the headers that were stored before they were left out. */
export function forgetHeaders(): void {
  localStorage.removeItem(HEADERS);
  for (const key of LISTS) {
    const stored = localStorage.getItem(key);
    try {
      if (stored !== null) storage.setItem(key, stored);
    } catch {
      // Not what GraphiQL writes, and it could not read it either.
      localStorage.removeItem(key);
    }
  }
}

/** Empty text, not nothing: the history holds a request against the last one, and whoever types no header has empty text. */
function withoutHeaders(list: string): string {
  return JSON.stringify(JSON.parse(list), (key, value: unknown) => (key === 'headers' && value ? '' : value));
}
