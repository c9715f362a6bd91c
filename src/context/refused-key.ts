import { OrgateError } from '../errors.js';
import type { KeyFault } from '../identity/api-keys.js';
import type { UnreadableKey } from '../secrets/api-key-format.js';

/** Which key was refused, and why: for the log, and never for whoever sent it. */
export class RefusedKeyError extends Error {
  override readonly name = 'RefusedKeyError';

  constructor(
    /** The public part of the key as it was sent; null where it has none. It need not be anyone's. */
    readonly keyId: string | null,
    readonly why: KeyFault | UnreadableKey['why'] | 'UNKNOWN' | 'WRONG_SECRET',
  ) {
    super(why);
  }
}

/** The same for every key, whatever is wrong with it. */
export const refuseKey = (...[keyId, why]: ConstructorParameters<typeof RefusedKeyError>): OrgateError =>
  new OrgateError('UNAUTHENTICATED', 'Send a valid API key.', {}, { cause: new RefusedKeyError(keyId, why) });

/** The same for every token of a machine. */
export const refuseMachine = (): OrgateError => new OrgateError('UNAUTHENTICATED', 'Send a valid token.');
