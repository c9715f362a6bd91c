import { refuseDirectory } from '../../context/enter-directory.js';
import type { LockedDb, RequestDb } from '../../data/organization/organization-db.js';
import { assertServed } from '../../permissions/organization-status.js';

/** A directory whose token was good when its request began. */
export interface DirectoryAtWork {
  readonly db: RequestDb;
  readonly directoryId: string;
  /** Of the token that it came with. */
  readonly tokenHash: string;
}

/**
 * Works as a directory that may still: a request lasts for as long as its body takes to
 * come, and what was replaced, deleted or suspended meanwhile counts as it does for the next one.
 *
 * @throws UNAUTHENTICATED; FORBIDDEN in an organization that is not active
 */
export const asDirectory = <T>(
  { db, directoryId, tokenHash }: DirectoryAtWork,
  work: (db: LockedDb) => Promise<T>,
): Promise<T> =>
  db.locked(async (inside) => {
    if (!(await inside.scimDirectory.find({ id: directoryId, tokenHash }))) throw refuseDirectory();
    assertServed(inside.held);
    return work(inside);
  });
