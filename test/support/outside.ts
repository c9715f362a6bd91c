import type { OpenOutside, Outside } from '../../src/data/connection/outside.js';

/** The same statements outside any organization, but for those of one concern. */
export function withOutside<T>(outside: Outside, open: OpenOutside<T>, change: (real: T) => T): Outside {
  const changed = change(outside(open));
  return <U>(asked: OpenOutside<U>): U => ((asked as unknown) === open ? (changed as unknown as U) : outside(asked));
}
