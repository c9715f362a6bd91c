/** What one JSON text may be made of. What it costs to read and to walk follows from these, not from its bytes. */
export interface JsonBounds {
  /** Objects, arrays, and what stands in them beside the first: every `{`, `[` and `,`. */
  readonly elements: number;
  /** Of one object; more than a few thousand different names take far longer than as many entries of a list. */
  readonly members: number;
  readonly levels: number;
}

/** The bound that was passed, or a member that is named as an object's prototype is. */
export type JsonFault = keyof JsonBounds | 'prototype';

/** No JSON that is read here may be deeper, whatever its bounds say, or the notes below would not hold it. */
const MAX_LEVELS = 200;

/** How many members the object at each level has by now, or that it is an array. Kept, as nothing waits in between. */
const openMembers = new Int32Array(MAX_LEVELS + 1);
const ARRAY = -1;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];
const POISON = '__proto__';

/**
 * Looks through a JSON text once, in time that grows with its bytes alone, before anything parses it. Whether it is JSON
 * at all is for the parser to say; of what the parser would accept, nothing is missed here.
 *
 * @returns what is wrong; null if nothing
 */
export function findJsonFault(bytes: Buffer, { elements, members, levels }: JsonBounds): JsonFault | null {
  const deepest = Math.min(levels, MAX_LEVELS);
  const { length } = bytes;
  let seen = 0;
  let level = 0;
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
      if (isPoison(bytes, begin, at, isEscaped)) return 'prototype';
    } else if (byte === COMMA) {
      seen += 1;
      const theirs = openMembers[level] ?? ARRAY;
      if (level > 0 && theirs !== ARRAY) {
        if (theirs >= members) return 'members';
        openMembers[level] = theirs + 1;
      }
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      seen += 1;
      level += 1;
      if (level > deepest) return 'levels';
      openMembers[level] = byte === OPEN_OBJECT ? 1 : ARRAY;
    } else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && level > 0) {
      level -= 1;
    }
    if (seen > elements) return 'elements';
  }
  return null;
}

/** Whether the string is the name of a member, and that one; it can be spelled with escapes, of up to six bytes each. */
function isPoison(bytes: Buffer, begin: number, end: number, isEscaped: boolean): boolean {
  const length = end - begin;
  if (isEscaped ? length > 6 * POISON.length : length !== POISON.length) return false;
  const text = bytes.toString('latin1', begin, end);
  const name = isEscaped
    ? text.replace(/\\u00([0-7][0-9a-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text;
  if (name !== POISON) return false;
  let next = end + 1;
  while (isBlank(bytes[next])) next += 1;
  return bytes[next] === COLON;
}

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
