import type { RequestContext } from '../../context/context.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, OrgateError, orNotFound } from '../../errors.js';
import type { LiveClaim } from '../../identity/claims.js';
import { assertAsApproved } from '../approval/index.js';
import type { ClaimedRunParent } from './parent.js';

/** The claim whose token asks. @throws FORBIDDEN for everybody else */
export function claimOf({ viewer }: RequestContext): LiveClaim {
  if (!viewer?.claim) throw new OrgateError('FORBIDDEN', 'Send the token of a claimed run, which claimRuns answers.');
  return viewer.claim;
}

/**
 * Says that the claim is still worked on: it holds for as long again, and of a run that somebody ended meanwhile as long from that on, so
 * that what it cost can be told. Within the transaction of what it is for.
 *
 * @throws CONFLICT when it is over: whoever ends it and this wait for each other
 */
export async function renewClaim(tx: OrganizationDb, { id, runId }: LiveClaim): Promise<Row<'RunClaim'>> {
  const now = tx.now();
  const { leaseSeconds } = orNotFound(await tx.runClaim.find({ id }));
  const { finishedAt } = orNotFound(await tx.run.find({ id: runId }));
  const expiresAt = new Date((finishedAt ?? now).getTime() + leaseSeconds * 1000);
  const live = { id, endedAt: null, expiresAt: { gt: now } };
  if (expiresAt <= now || (await tx.runClaim.updateMany(live, { expiresAt })) === 0)
    throw conflict('This claim is over.');
  return orNotFound(await tx.runClaim.find({ id }));
}

/**
 * Holds the run that was claimed until the transaction ends: whoever ends it or its claim waits.
 *
 * @throws CONFLICT when it is not worked on any more
 */
export async function holdClaimed(tx: OrganizationDb, { id, runId }: LiveClaim): Promise<void> {
  const held = await tx.run.updateMany({ id: runId, claimId: id, status: 'RUNNING' }, { claimId: id });
  if (held === 0) throw notWorkedOn();
}

/** Of what is for whoever works on it. */
export const isWorkedOn = ({ status, claimId }: Row<'Run'>, { id }: LiveClaim): boolean =>
  status === 'RUNNING' && claimId === id;

export const notWorkedOn = () => conflict('This run is not worked on any more.');

/**
 * The claim and its run as they are: what was read before this was read while it held.
 *
 * @throws CONFLICT when it is over
 */
export async function readHeld(db: Pick<OrganizationDb, 'run' | 'runClaim' | 'now'>, { id, runId }: LiveClaim) {
  const [held, run] = await Promise.all([db.runClaim.find({ id }), db.run.find({ id: runId })]);
  if (!held || !run || held.endedAt || held.expiresAt <= db.now()) throw conflict('This claim is over.');
  return { held, run };
}

/**
 * What was claimed. It is read before it is looked at whether it may be answered: of a claim that is lost in between, or of what was changed
 * in between, nothing is. In no transaction, of which an organization has one at a time.
 *
 * @throws CONFLICT when the claim is over, or something else was allowed than what it would do now
 */
export async function readClaimedRun(context: RequestContext): Promise<ClaimedRunParent> {
  const [claim, { db }] = [claimOf(context), context];
  const seen = await db.run.find({ id: claim.runId });
  const repository = seen?.repositoryId == null ? null : await db.repository.find({ id: seen.repositoryId });
  const agent = seen?.agentId == null ? null : await db.agent.find({ id: seen.agentId });
  const { held, run } = await readHeld(db, claim);
  await assertAsApproved(db, run);
  const { runId, attempt, expiresAt: leaseExpiresAt } = held;
  return { claim, runId, attempt, leaseExpiresAt, agentId: run.agentId, run, agent, repository };
}
