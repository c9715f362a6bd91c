import type { RequestContext } from '../../context/context.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Permission } from '../../permissions/catalogue.js';
import { asActor } from '../../rights/actor.js';

/** So many runs are cleared at once: a fraction of a statement's time, in which nobody else changes runs. */
const BATCH = 5000;

/** More than anyone has. */
const MAX_BATCHES = 10_000;

/** Takes an agent or a repository out of its runs; true once few enough were left to do so at once. */
export type ClearRuns = (parent: 'agentId' | 'repositoryId', id: string) => Promise<boolean>;

/**
 * Takes out of its runs what is about to be deleted, which the deletion would do in one statement, too long a one for many
 * runs. Each batch takes the organization's lock, so that whoever changes one of these runs waits for that lock and not for
 * a row. Whoever is interrupted has fewer left when they try again.
 *
 * @param permission what the actor has to hold, at each batch
 * @param work all or nothing; done again while it answers null, because a batch did not clear them all
 * @param atOnce how many runs a batch clears
 */
export async function clearingRuns<T>(
  context: RequestContext,
  permission: Permission,
  work: (tx: LockedDb, clear: ClearRuns) => Promise<T | null>,
  atOnce = BATCH,
): Promise<T> {
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const done = await asActor(context, permission, (tx) =>
      work(tx, async (parent, id) => (await tx.run.updateMany({ [parent]: id }, { [parent]: null }, atOnce)) < atOnce),
    );
    if (done !== null) return done;
  }
  throw new Error('runs are added faster than they are cleared');
}
