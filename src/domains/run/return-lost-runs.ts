import type { Deployment } from '../../context/deployment.js';
import { bySystem } from '../../data/connection/act.js';
import type { OrgId } from '../../data/id.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import { createRounds } from '../../jobs/rounds.js';
import { type LapsedClaim, openSharedQueue } from './outside.js';
import { retryPolicyOf } from './retry-policy.js';

/** So many of one organization before it is the next one's turn. */
const BATCH = 20;

type Putting = Pick<Deployment, 'outside' | 'organizationDb'>;

/**
 * Makes what puts lost runs back, round by round: of each organization a few, so that one whose runs cannot be put back keeps nobody
 * else's waiting.
 *
 * @throws AggregateError with what failed, after all others had their turn
 */
export function createReturnLostRuns(): (deployment: Putting, signal: AbortSignal) => Promise<void> {
  const round = createRounds<OrgId>(BATCH, (count) => `lost runs of ${count} were not put back`);
  return (deployment, signal) => {
    const { listLosing } = deployment.outside(openSharedQueue);
    const part = (orgId: OrgId, most: number) => returnLostRunsOf(deployment, orgId, most, signal);
    return round({ listWaiting: listLosing, part }, signal);
  };
}

/**
 * Puts runs of an organization back whose executor said nothing more in time, or counts no more, or ends them where they were tried often enough. Each in a
 * transaction of its own: of what a report says at the same moment the second sees the first.
 *
 * @param most so many of them, the first that were lost
 * @returns how many it were
 * @throws AggregateError with what failed, after all others had their turn; what the organization is too busy for, at once
 */
export async function returnLostRunsOf(
  { outside, organizationDb }: Putting,
  orgId: OrgId,
  most: number,
  signal?: AbortSignal,
): Promise<number> {
  const failures: unknown[] = [];
  const found = await outside(openSharedQueue).listLapsed(orgId, most);
  for (const lapsed of found) {
    if (signal?.aborted) break;
    await organizationDb(orgId, bySystem('lost executors'))
      .transaction((tx) => returnLostRun(tx, lapsed))
      .catch((error: unknown) => {
        // The next would wait as long, and all others for it.
        if (error instanceof OrgateError) throw error;
        failures.push(error);
      });
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} lost runs were not put back`);
  return found.length;
}

async function returnLostRun(tx: OrganizationDb, { id, runId, isRevoked }: LapsedClaim): Promise<void> {
  const now = tx.now();
  // Whoever reports holds the run's row: this waits for them, and sees what they did to it.
  const isItsRun = (await tx.run.updateMany({ id: runId, claimId: id, status: 'RUNNING' }, { claimId: id })) > 0;
  const lapsed = { id, endedAt: null, ...(!isRevoked && { expiresAt: { lte: now } }) };
  const isOver = await tx.runClaim.updateMany(lapsed, { endedAt: now });
  if (!isItsRun || isOver === 0) return;
  await putBack(
    tx,
    await tx.run.get({ id: runId }),
    (times) => `Its executor was lost; so it was ${times}.`,
    !isRevoked,
  );
}

/**
 * Has a run wait again whose claim is over, or ends it where it was tried often enough, as its agent says. Of a run that the transaction holds.
 *
 * @param why what is said of one that ends, which was tried `once`, or `3 times`
 * @param counts whether this attempt is the run's own fault: otherwise it waits again at once, however often it was tried
 */
export async function putBack(
  tx: OrganizationDb,
  { id, agentId, attempts }: Row<'Run'>,
  why: (times: string) => string,
  counts = true,
): Promise<void> {
  const now = tx.now();
  const agent = agentId === null ? null : await tx.agent.find({ id: agentId });
  const { maxAttempts, backoffSeconds } = retryPolicyOf(agent);
  if (counts && attempts >= maxAttempts) {
    const error = why(attempts === 1 ? 'once' : `${attempts} times`);
    await tx.run.update({ id }, { status: 'FAILED', finishedAt: now, error });
    return;
  }
  await tx.run.update({ id }, { status: 'QUEUED', claimId: null });
  if (counts && backoffSeconds > 0) {
    await tx.runQueue.updateMany({ runId: id }, { availableAt: new Date(now.getTime() + backoffSeconds * 1000) });
  }
}
