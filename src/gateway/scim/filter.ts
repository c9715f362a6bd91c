import { attributeName, isText, ScimError } from './protocol.js';

/**
 * One comparison: an attribute, perhaps with a choice among its values, `eq`, and a string or a truth value; then the end or
 * an `and`. These are the filters that directories send; RFC 7644 leaves it to the provider which others it takes.
 */
const COMPARISON =
  /^([a-z][\w.:-]*(?:\[\s*[\w.]+\s+eq\s+"[^"\\\]]*"\s*\](?:\.\w+)?)?)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*(?:$|and\s+(?=\S))/i;

const MAX_LENGTH = 2000;

/**
 * Reads a filter such as `userName eq "ann@acme.com"` or `id eq "…" and members eq "…"`.
 *
 * @returns values by attribute name, all of which must match
 * @throws ScimError invalidFilter for every other form
 */
export function parseFilter(filter: string): Map<string, string> {
  const wanted = new Map<string, string>();
  let rest = filter.trim();
  while (rest !== '') {
    const [text, path = '', literal = ''] = (rest.length <= MAX_LENGTH && COMPARISON.exec(rest)) || refuse();
    const name = attributeName(path);
    if (wanted.has(name)) refuse();
    const value = String(parseLiteral(literal));
    wanted.set(name, isText(value) ? value : refuse());
    rest = rest.slice(text.length);
  }
  return wanted;
}

function parseLiteral(literal: string): unknown {
  try {
    return JSON.parse(literal.startsWith('"') ? literal : literal.toLowerCase());
  } catch {
    return refuse();
  }
}

function refuse(): never {
  throw new ScimError('invalidFilter', 'Only comparisons with eq, joined by and, are supported.');
}
