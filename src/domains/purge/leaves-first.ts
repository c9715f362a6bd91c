interface Referring {
  readonly name: string;
  /** The names of others that its rows refer to. */
  readonly refersTo: readonly string[];
}

/**
 * Names in an order in which each can be emptied: whatever refers to others comes before those.
 *
 * @throws where tables refer to each other in a circle
 */
export function leavesFirst(tables: readonly Referring[]): string[] {
  const ordered: string[] = [];
  let left = tables;
  while (left.length > 0) {
    const referred = new Set(left.flatMap(({ refersTo }) => refersTo));
    const free = left.filter(({ name }) => !referred.has(name));
    if (free.length === 0) throw new Error(`tables refer to each other: ${left.map(({ name }) => name).join(', ')}`);
    ordered.push(...free.map(({ name }) => name));
    left = left.filter((each) => !free.includes(each));
  }
  return ordered;
}
