import type { ExecutionResult } from 'graphql';

/** Of an error beside its message and path: where it stands, its code, the request's id. */
const ERROR_CHARACTERS = 250;

/**
 * How many characters an answer comes to, before escapes; Infinity past `limit`, where it stops. The same text under thirty
 * names is printed thirty times, though it is held once, and so is a name in the path of each error beneath it: what is
 * too large is never printed.
 */
export function sizeOf({ data, errors = [] }: ExecutionResult, limit: number): number {
  let size = 0;
  for (const { message, path = [] } of errors) {
    size += ERROR_CHARACTERS + message.length;
    for (const step of path) size += String(step).length + 3;
    if (size > limit) return Infinity;
  }
  const measure = (value: unknown): boolean => {
    if (typeof value === 'string') size += value.length + 3;
    else if (typeof value !== 'object' || value === null) size += 6;
    else if (Array.isArray(value)) {
      size += 2;
      for (const each of value) if (!measure(each)) return false;
    } else {
      size += 2;
      for (const name in value) {
        size += name.length + 3;
        if (!measure((value as Record<string, unknown>)[name])) return false;
      }
    }
    return size <= limit;
  };
  return measure(data) ? size : Infinity;
}
