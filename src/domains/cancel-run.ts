import type { OrganizationDb } from '../data/organization-db.js';
import type { Row } from '../data/table.js';
import { conflict, OrgateError } from '../errors.js';

/**
 * Cancels a run that is QUEUED or RUNNING, in one statement, so that it never overtakes an executor's last word.
 *
 * @throws NOT_FOUND; CONFLICT when it SUCCEEDED or FAILED
 */
export async function cancelRun(id: string, db: OrganizationDb): Promise<Row<'Run'>> {
  try {
    return await db.run.update(
      { id, status: { in: ['QUEUED', 'RUNNING'] } },
      { status: 'CANCELLED', finishedAt: new Date() },
    );
  } catch (error) {
    if (!(error instanceof OrgateError) || error.code !== 'NOT_FOUND') throw error;
    const run = await db.run.get({ id });
    if (run.status !== 'CANCELLED') throw conflict(`A ${run.status} run cannot be cancelled.`);
    return run;
  }
}
