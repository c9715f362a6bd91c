import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';

/** An approval that is over, of the first run that there is, and what an OWNER said of it. */
export async function give(db: OrganizationDb): Promise<void> {
  const [run] = await db.run.list({ orderBy: { id: 'asc' }, take: 1 });
  const owner = await db.membership.find({ role: 'OWNER', status: 'ACTIVE' });
  if (!run || !owner) return;
  const { userId } = owner;
  const approval = await db.approval.create({
    id: newId('apr'),
    subjectType: 'RUN',
    subjectId: run.id,
    status: 'EXPIRED',
    decidedAt: new Date(),
    submittedById: userId,
    approverIds: [userId],
    order: 'ALL',
    allowSelfApproval: true,
    expiresAt: new Date(),
    inputDigest: 'given',
    inputHash: 'given',
    agentVersion: 1,
  });
  await db.approvalDecision.create({
    id: newId('apd'),
    approvalId: approval.id,
    decidedById: userId,
    decision: 'APPROVE',
    inputHash: 'given',
    comment: 'canary of what somebody said',
  });
}
