import { z } from 'zod';
import { badInput } from '../errors.js';

/**
 * Checks an argument against its shape.
 *
 * @param at where the argument stands: `input`
 * @throws BAD_USER_INPUT with the dotted path of the first thing that does not fit; values are never echoed
 */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown, at = 'input'): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw badInput([at, ...(issue?.path ?? [])].join('.'), issue?.message ?? 'Not valid.');
}

const notBlank = 'Must not be blank.';

/** A name people read: trimmed, 1 to 100 characters, on one line. */
export const nameText = z
  .string('Must not be null.')
  .trim()
  .min(1, notBlank)
  .max(100, 'At most 100 characters.')
  .regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'No control characters.');

/** What tells machines that can do something from others. */
export const poolText = z
  .string('Must not be null.')
  .regex(/^[a-z0-9-]{1,63}$/, '1 to 63 lower-case letters, digits and hyphens.');

/** What people wrote about something; null empties it. */
export const descriptionText = z
  .string()
  .trim()
  .max(2000, 'At most 2,000 characters.')
  .nullish()
  .transform((text) => (text === null ? '' : text));

/** The id of something in the organization; whether it is there the database says. */
export const reference = z.string('Must not be null.');

/** Compared and stored in lower case. */
export const emailText = z
  .string('Must not be null.')
  .trim()
  .toLowerCase()
  .max(254, 'At most 254 characters.')
  .regex(/^[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/u, 'Not an e-mail address.');

/** Only the keys that were given, so that an update leaves the others alone. */
export function given<T extends object>(changes: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as never;
}
