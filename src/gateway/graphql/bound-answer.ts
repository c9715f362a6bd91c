/**
 * How many characters an answer comes to, before escapes; Infinity past `limit`, where it stops. The same text under thirty
 * names is printed thirty times, though it is held once: what is too large is never printed.
 */
export function sizeOf(answer: unknown, limit: number): number {
  let size = 0;
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
  return measure(answer) ? size : Infinity;
}
