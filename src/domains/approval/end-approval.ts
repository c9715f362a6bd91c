import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import { dropDueWork } from '../../jobs/due-kind.js';
import { APPROVAL } from './approval-work.js';
import { inputChanged, type Now } from './read-approval.js';
import { type Ending, isOver, tellSubmitter } from './tell-submitter.js';

type Ended = 'REJECTED' | 'CANCELLED' | 'EXPIRED';

export const alreadyDecided = (message = 'This was decided already.'): OrgateError =>
  new OrgateError('CONFLICT', message, { reason: 'ALREADY_DECIDED' });

const SAID: Readonly<Record<Ended, string>> = {
  REJECTED: 'It was not approved',
  CANCELLED: 'Its approval was taken back',
  EXPIRED: 'Its approval expired',
};

/**
 * Holds what waits until the transaction ends: whoever decides, takes back or cancels at the same time waits, and sees what became of it. The
 * run comes first for everybody.
 *
 * @throws CONFLICT with ALREADY_DECIDED when it waits no more, or waited too long, though nothing may have come to say so yet
 */
export async function holdWaiting(db: OrganizationDb, waiting: Row<'Approval'>): Promise<Row<'Approval'>> {
  const approval = await holdPending(db, waiting);
  if (approval.expiresAt <= db.now()) throw alreadyDecided('Its approval expired.');
  return approval;
}

/** The same, of what may have waited too long. */
export async function holdPending(db: OrganizationDb, { id, subjectId }: Row<'Approval'>): Promise<Row<'Approval'>> {
  const waiting = { id: subjectId, status: 'AWAITING_APPROVAL' } as const;
  const isWaiting = (await db.run.updateMany(waiting, { status: 'AWAITING_APPROVAL' })) > 0;
  const approval = await db.approval.get({ id });
  if (!isWaiting || approval.status !== 'PENDING') throw alreadyDecided();
  return approval;
}

/** Lets what waits go on, as it is now: there is room for it, or nothing is done. @throws BUDGET_EXCEEDED; CONFLICT with INPUT_CHANGED */
export async function letGo(
  ending: Ending,
  { id, subjectId }: Row<'Approval'>,
  { hash, agent }: Now,
  reason: string | null,
): Promise<Row<'Approval'>> {
  if (!agent) throw inputChanged('Its agent was deleted: it cannot run any more.');
  const { db } = ending;
  const now = db.now();
  const decided = { status: 'APPROVED', decidedAt: now, inputHash: hash, agentVersion: agent.version, reason } as const;
  const approved = await db.approval.update({ id, status: 'PENDING' }, decided);
  await db.run.update({ id: subjectId }, { status: 'QUEUED', approvedAt: now, repositoryId: agent.repositoryId });
  await settle(ending, approved);
  return approved;
}

/** There is nothing more to be done about it by itself, and whoever started it is told. */
async function settle(ending: Ending, approval: Row<'Approval'>): Promise<void> {
  await dropDueWork(ending.db, APPROVAL, approval.id);
  if (isOver(approval)) await tellSubmitter(ending, approval);
}

/** Ends what waits, and its run with it. */
export async function end(
  ending: Ending,
  { id, subjectId }: Row<'Approval'>,
  status: Ended,
  reason: string | null,
  hash?: string,
): Promise<Row<'Approval'>> {
  const { db } = ending;
  const now = db.now();
  const error = reason === null ? `${SAID[status]}.` : `${SAID[status]}: ${reason}`;
  await db.run.update({ id: subjectId }, { status: 'CANCELLED', finishedAt: now, error });
  return endWithRun(ending, id, status, reason, hash);
}

async function endWithRun(
  ending: Ending,
  id: string,
  status: Ended,
  reason: string | null,
  inputHash?: string,
): Promise<Row<'Approval'>> {
  const { db } = ending;
  const decided = { status, decidedAt: db.now(), reason, ...(inputHash !== undefined && { inputHash }) };
  const ended = await db.approval.update({ id, status: 'PENDING' }, decided);
  await settle(ending, ended);
  return ended;
}

/** Takes back the approval of a run that was cancelled, in the transaction that did so, while it waited. */
export async function endApprovalOf(runId: string, ending: Ending): Promise<void> {
  const { id } = await ending.db.approval.get({ subjectType: 'RUN', subjectId: runId });
  await endWithRun(ending, id, 'CANCELLED', 'The run was cancelled.');
}
