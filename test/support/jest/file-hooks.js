const TESTS = new URL('../../', import.meta.url).href;
const GLOBALS = 'jest-globals:';
const SOURCE = `export const { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } =
  globalThis.jestGlobals;`;

/** What a test file imports from test/ is a copy of its own, marked with the file's number; so is Jest. */
export async function resolve(specifier, context, next) {
  const [, file] = context.parentURL?.split('?file=') ?? [];
  if (file === undefined) return next(specifier, context);
  if (specifier === '@jest/globals') return { url: `${GLOBALS}?file=${file}`, format: 'module', shortCircuit: true };
  const resolved = await next(specifier, context);
  return resolved.url.startsWith(TESTS) ? { ...resolved, url: `${resolved.url}?file=${file}` } : resolved;
}

export function load(url, context, next) {
  return url.startsWith(GLOBALS) ? { format: 'module', source: SOURCE, shortCircuit: true } : next(url, context);
}
