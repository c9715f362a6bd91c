import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { conflict } from '../../errors.js';
import { readActor } from '../../rights/actor.js';
import { isFinished } from './record-run-progress.js';

/**
 * Cancels a run that is QUEUED or RUNNING. Of this and what an executor reports at the same time the
 * second sees the first, and what is finished stays so.
 *
 * @throws NOT_FOUND; CONFLICT when it SUCCEEDED or FAILED; FORBIDDEN when the actor lost the permission
 */
export function cancelRun(id: string, context: RequestContext): Promise<Row<'Run'>> {
  return context.db.locked(async (tx) => {
    await readActor(tx, context, 'run:cancel');
    const run = await tx.run.get({ id });
    if (run.status === 'CANCELLED') return run;
    if (isFinished(run.status)) throw conflict(`A ${run.status} run cannot be cancelled.`);
    return tx.run.update({ id }, { status: 'CANCELLED', finishedAt: tx.now() });
  });
}
