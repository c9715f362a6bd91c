import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import { nowInStay } from '../../identity/stay.js';
import type { ApprovalVerdict } from '../../generated/enums.js';
import { isAtMost } from '../../permissions/catalogue.js';
import { asActor } from '../../rights/actor.js';
import { isSubmitter } from './deciders.js';
import { alreadyDecided, end, holdWaiting, letGo } from './end-approval.js';
import { endingIn } from './ending.js';
import { inputChanged, readDeciders, readNow } from './read-approval.js';
import { tellNext } from './tell-deciders.js';

export interface Decision {
  readonly id: string;
  readonly decision: ApprovalVerdict;
  readonly inputHash: string;
  readonly comment: string | null;
}

/**
 * Says whether something may be done; where that suffices it goes on, or is over, in the same transaction. Under the organization's lock,
 * which whoever removes or demotes an approver takes, too.
 *
 * @throws NOT_FOUND; FORBIDDEN for whoever started it or is not asked; CONFLICT with ALREADY_DECIDED, NOT_YOUR_TURN or INPUT_CHANGED;
 *   BUDGET_EXCEEDED
 */
export const decideApproval = (
  { id, decision, inputHash, comment }: Decision,
  context: RequestContext,
): Promise<Row<'Approval'>> =>
  asActor(context, 'approval:decide', async (db, actor) => {
    const approval = await holdWaiting(db, await db.approval.get({ id }));
    const now = await readNow(db, approval);
    if (inputHash !== now.hash) throw inputChanged();
    // Else whoever may change it could have it do anything by then, and allow that themselves.
    if (decision === 'APPROVE' && now.hash !== approval.inputHash) {
      throw inputChanged('What will run is not what was started: reject it, or take it back, and start it anew.');
    }
    if (isSubmitter(approval, actor.userId)) {
      if (!approval.allowSelfApproval) throw forbidden('Nobody decides on what they started themselves.');
      if (context.viewer?.apiKey) throw forbidden('Nobody’s key decides on what they started themselves.');
    }
    const deciding = endingIn(db, context, actor);
    const { turn, escalation, pool, isComplete } = await readDeciders(deciding, approval, now.hash);
    const isAlone = escalation.includes(actor.userId);
    const isLate = !isAlone && pool.includes(actor.userId) && !turn.includes(actor.userId);
    const said = { approvalId: id, decidedById: actor.userId, inputHash: now.hash };
    const member = await db.membership.get({ userId: actor.userId });
    const inThisStay = member.joinedAt && { createdAt: { gte: member.joinedAt } };
    const hasSaid = (await db.approvalDecision.count({ ...said, ...inThisStay })) > 0;
    if (hasSaid && !isComplete) throw alreadyDecided('You have decided on this already.');
    if (isLate && !isComplete) throw notYourTurn();
    if (!isAlone && !pool.includes(actor.userId)) {
      throw approval.escalationToId === actor.userId
        ? notYourTurn()
        : forbidden('You are not asked to decide on this.');
    }
    if (!hasSaid) {
      const createdAt = nowInStay(db.now(), member);
      await db.approvalDecision.create({ id: newId('apd'), ...said, decision, comment, createdAt });
    }
    if (decision === 'REJECT') return end(deciding, approval, 'REJECTED', comment, now.hash);
    const after = await readDeciders(deciding, approval, now.hash);
    if (isAlone || after.isComplete) return letGo(deciding, approval, now, comment);
    await tellNext(deciding, { ...approval, inputHash: now.hash }, after.turn);
    return approval;
  });

/**
 * Takes back what waits to be allowed.
 *
 * @throws NOT_FOUND; FORBIDDEN unless the actor started it, or is ADMIN; CONFLICT with ALREADY_DECIDED
 */
export const cancelApproval = (id: string, context: RequestContext): Promise<Row<'Approval'>> =>
  asActor(context, 'approval:cancel', async (db, actor) => {
    const approval = await holdWaiting(db, await db.approval.get({ id }));
    if (approval.submittedById !== actor.userId && !isAtMost('ADMIN', actor.role)) {
      throw forbidden('Only whoever started it takes it back, or an ADMIN.');
    }
    return end(endingIn(db, context, actor), approval, 'CANCELLED', `By ${actor.name}.`);
  });

const forbidden = (message: string): OrgateError => new OrgateError('FORBIDDEN', message);
const notYourTurn = (): OrgateError =>
  new OrgateError('CONFLICT', 'Somebody else is to decide first.', { reason: 'NOT_YOUR_TURN' });
