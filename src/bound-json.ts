/** What one JSON text may be made of. What it costs to read, to keep and to walk follows from these, not from its bytes. */
export interface JsonBounds {
  /** Objects, arrays, and what stands in them beside the first: every `{`, `[` and `,`. */
  readonly elements: number;
  /** Different names of members, in all; each takes far longer to read than an entry of a list. */
  readonly names: number;
  readonly levels: number;
}

/** The bound that was passed, or a member that is named as an object's prototype is. */
export type JsonFault = keyof JsonBounds | 'prototype';

/** Measured, of what takes most: what is parsed takes so much in memory beside the characters of its texts. */
const BYTES_PER_ELEMENT = 48;
/** An object has a shape of its own where its names, or their order, are new. */
const BYTES_PER_MEMBER = 112;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];
const POISON = '__proto__';

/**
 * Looks through a JSON text once, in time that grows with its bytes alone, before anything parses it. Whether it is JSON
 * at all is for the parser to say; of what the parser would accept, nothing is missed here.
 *
 * @returns what is wrong; if nothing is, how many bytes it takes once it is parsed, beside its texts
 */
export function measureJson(bytes: Buffer, { elements, names, levels }: JsonBounds): JsonFault | number {
  const { length } = bytes;
  const named = new Set<string>();
  let [seen, members, level] = [0, 0, 0];
  for (let at = 0; at < length; at += 1) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      const begin = at + 1;
      let isEscaped = false;
      for (at = begin; at < length && bytes[at] !== QUOTE; at += 1) {
        if (bytes[at] !== BACKSLASH) continue;
        isEscaped = true;
        at += 1;
      }
      if (!isName(bytes, at)) continue;
      if (isPoison(bytes, begin, at, isEscaped)) return 'prototype';
      members += 1;
      named.add(bytes.toString('latin1', begin, at));
      if (named.size > names) return 'names';
    } else if (byte === COMMA) {
      seen += 1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      seen += 1;
      level += 1;
      if (level > levels) return 'levels';
    } else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && level > 0) {
      level -= 1;
    }
    if (seen > elements) return 'elements';
  }
  return seen * BYTES_PER_ELEMENT + members * BYTES_PER_MEMBER;
}

/** Whether the string that ends there is the name of a member. */
function isName(bytes: Buffer, end: number): boolean {
  let next = end + 1;
  while (isBlank(bytes[next])) next += 1;
  return bytes[next] === COLON;
}

/** Whether a name is that one; it can be spelled with escapes, of up to six bytes each. */
function isPoison(bytes: Buffer, begin: number, end: number, isEscaped: boolean): boolean {
  const length = end - begin;
  if (isEscaped ? length > 6 * POISON.length : length !== POISON.length) return false;
  const text = bytes.toString('latin1', begin, end);
  const name = isEscaped
    ? text.replace(/\\u00([0-7][0-9a-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text;
  return name === POISON;
}

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
