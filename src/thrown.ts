/** What was thrown as an error: anything can be thrown, and what is none says itself. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** The code that Node.js, a driver or a library put on what it threw; empty when there is none. */
export const codeOf = (thrown: unknown): string => {
  const code: unknown = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : '';
};

/**
 * Of what refuses, where others are before it: where that was thrown tells nothing, and to find it out, by the source maps of all
 * that it came through, takes more of the thread than the refusal, of which there are most when there is least to spare.
 */
export function withoutStack<T extends Error>(error: T): T {
  error.stack = `${error.name}: ${error.message}`;
  return error;
}
