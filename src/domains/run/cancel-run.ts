import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, OrgateError } from '../../errors.js';
import { isAtMost } from '../../permissions/catalogue.js';
import { readActorNow } from '../../rights/actor.js';
import { endApprovalOf, endingIn } from '../approval/index.js';
import { UNFINISHED } from './record-run-progress.js';

/**
 * Cancels a run that has not finished, and takes its approval back where it waits for that. Of this and what an executor reports at the same time the
 * second sees the first, and what is finished stays so.
 *
 * @throws NOT_FOUND; CONFLICT when it SUCCEEDED or FAILED; FORBIDDEN when the actor lost the permission, or it waits to be
 *   allowed, and they neither started it nor are ADMIN, or act for one who is
 */
export function cancelRun(id: string, context: RequestContext): Promise<Row<'Run'>> {
  return context.db.transaction(async (tx) => {
    const change = { status: 'CANCELLED', finishedAt: tx.now() } as const;
    if ((await tx.run.updateMany({ id, status: 'AWAITING_APPROVAL' }, change)) > 0) {
      const actor = await readActorNow(context, 'run:cancel');
      // As `cancelApproval`, which is the same from the other side.
      if (context.viewer?.impersonation) {
        throw new OrgateError('FORBIDDEN', 'Nobody takes an approval back for somebody else.');
      }
      const run = await tx.run.get({ id });
      if (run.createdById !== actor.userId && !isAtMost('ADMIN', actor.role)) {
        throw new OrgateError(
          'FORBIDDEN',
          'While it waits to be allowed only whoever started it cancels it, or an ADMIN.',
        );
      }
      await endApprovalOf(id, endingIn(tx, context, actor));
      return run;
    }
    // It waits for whoever reports, and looks at what became of it then.
    const cancelled = await tx.run.updateMany({ id, status: { in: UNFINISHED } }, change);
    await readActorNow(context, 'run:cancel');
    const run = await tx.run.get({ id });
    if (cancelled === 0 && run.status !== 'CANCELLED') throw conflict(`A ${run.status} run cannot be cancelled.`);
    return run;
  });
}
