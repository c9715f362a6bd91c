import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { conflict } from '../../errors.js';
import { readActorNow } from '../../rights/actor.js';
import { UNFINISHED } from './record-run-progress.js';

/**
 * Cancels a run that is QUEUED or RUNNING. Of this and what an executor reports at the same time the
 * second sees the first, and what is finished stays so.
 *
 * @throws NOT_FOUND; CONFLICT when it SUCCEEDED or FAILED; FORBIDDEN when the actor lost the permission
 */
export function cancelRun(id: string, context: RequestContext): Promise<Row<'Run'>> {
  return context.db.transaction(async (tx) => {
    const change = { status: 'CANCELLED', finishedAt: tx.now() } as const;
    // It waits for whoever reports, and looks at what became of it then.
    const cancelled = await tx.run.updateMany({ id, status: { in: UNFINISHED } }, change);
    await readActorNow(context, 'run:cancel');
    const run = await tx.run.get({ id });
    if (cancelled === 0 && run.status !== 'CANCELLED') throw conflict(`A ${run.status} run cannot be cancelled.`);
    return run;
  });
}
