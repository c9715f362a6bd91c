import type { ScopedPool } from './org-connection.js';

/** What makes the statements outside any one organization that one concern needs: a few named reads and writes. */
export type OpenOutside<T> = (pool: ScopedPool) => T;

/** Hands out such statements, made once for the pool. */
export type Outside = <T>(open: OpenOutside<T>) => T;

export function createOutside(pool: ScopedPool): Outside {
  const opened = new Map<OpenOutside<unknown>, unknown>();
  return <T>(open: OpenOutside<T>): T => {
    if (!opened.has(open)) opened.set(open, open(pool));
    return opened.get(open) as T;
  };
}
