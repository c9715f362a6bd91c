/** A name as a provider gives it, fit to be kept: on one line, at most 100 characters; null when there is none. */
export function toName(name: unknown): string | null {
  if (typeof name !== 'string') return null;
  const clean = name
    .toWellFormed()
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, 100)
    .toWellFormed();
  return clean === '' ? null : clean;
}

/** Fit to be kept, and to be shown to whoever administers: no control character, and no half of one. */
export const isText = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text);
