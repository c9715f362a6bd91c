import { hashSecret } from '../../secrets/secret.js';
import { badInput } from '../../errors.js';

/** Tells organizations apart, and nothing of them. */
const tagOf = (orgId: string): string => hashSecret(`run updates of ${orgId}`).slice(0, 8);

/** A place in the record of an organization. */
export const encodeCursor = (orgId: string, sequence: number): string =>
  Buffer.from(JSON.stringify([tagOf(orgId), sequence])).toString('base64url');

/** @throws BAD_USER_INPUT for what was not made here, of this organization, or is ahead of its newest place */
export function decodeCursor(orgId: string, cursor: string, newest: number): number {
  try {
    const [tag, sequence] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    const isPlace = typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence >= 0;
    if (tag === tagOf(orgId) && isPlace && sequence <= newest && encodeCursor(orgId, sequence) === cursor)
      return sequence;
  } catch {
    // as what is no cursor
  }
  throw badInput('after', 'This cursor is of no update of this organization.');
}
