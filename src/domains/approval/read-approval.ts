import { CATALOGUE } from '../../context/deployment.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import type { Use } from '../../parts.js';
import { type Deciders, findDeciders, type Held, membersIn } from './deciders.js';
import { hashOf } from './what-will-run.js';

/** What would be done now. */
export interface Now {
  readonly hash: string;
  /** Null once it is deleted. */
  readonly agent: Row<'Agent'> | null;
}

/** So much of what people said is read: as many as there may be approvers, for each of some changes. */
export const MOST_DECISIONS = 100;

/** What would be done now, of a run. */
export async function readNow(
  db: Pick<OrganizationDb, 'run' | 'agent'>,
  { subjectId, inputDigest }: Pick<Row<'Approval'>, 'subjectId' | 'inputDigest'>,
): Promise<Now> {
  const run = await db.run.load(subjectId);
  const agent = run?.agentId == null ? null : await db.agent.load(run.agentId);
  const estimatedCostMicros = run?.estimatedCostMicros ?? null;
  const what = { agentId: agent?.id ?? null, agentVersion: agent?.version ?? null, inputDigest, estimatedCostMicros };
  return { hash: hashOf(what), agent };
}

/** @throws CONFLICT with INPUT_CHANGED where people allowed what a run did, and it does something else now */
export async function assertAsApproved(
  db: Pick<OrganizationDb, 'run' | 'agent' | 'approval'>,
  { id, approvedAt }: Pick<Row<'Run'>, 'id' | 'approvedAt'>,
): Promise<void> {
  if (approvedAt === null) return;
  const approval = await db.approval.get({ subjectType: 'RUN', subjectId: id });
  const { hash } = await readNow(db, approval);
  if (hash !== approval.inputHash) throw inputChanged('What this run does was changed after it was allowed.');
}

export const inputChanged = (message = 'What will run has changed since you saw it: look again.'): OrgateError =>
  new OrgateError('CONFLICT', message, { reason: 'INPUT_CHANGED' });

/** Where it is decided, and by which rules. */
export interface Deciding extends Held {
  readonly use: Use;
}

/** Who decides of an approval that is PENDING, as people are now. */
export async function readDeciders(deciding: Deciding, approval: Row<'Approval'>, hash: string): Promise<Deciders> {
  const { db, use } = deciding;
  const said = await db.approvalDecision.list({
    where: { approvalId: approval.id, inputHash: hash },
    orderBy: { id: 'asc' },
    take: MOST_DECISIONS,
  });
  return findDeciders(use(CATALOGUE), membersIn(deciding), approval, said, { hash, now: db.now() });
}
