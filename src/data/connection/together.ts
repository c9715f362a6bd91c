import { forAll } from './org-connection.js';

/** Makes what reads once for all who ask for the same at the same moment. */
export function createTogether(): <T>(key: string, read: () => Promise<T>) => Promise<T> {
  const reading = new Map<string, Promise<unknown>>();
  return <T>(key: string, read: () => Promise<T>): Promise<T> => {
    const known = reading.get(key) as Promise<T> | undefined;
    if (known) return known;
    const begun = forAll(read).finally(() => reading.delete(key));
    reading.set(key, begun);
    return begun;
  };
}
