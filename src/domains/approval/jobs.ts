import { CATALOGUE, type Deployment } from '../../context/deployment.js';
import { bySystem } from '../../data/connection/act.js';
import type { OrgId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError } from '../../errors.js';
import { isOfStay } from '../../identity/stay.js';
import { openHeldBarredMembers } from '../../identity/set-only.js';
import type { DueKind } from '../../jobs/due-kind.js';
import { effective } from '../../rights/escalation.js';
import { readSettings } from '../organization/settings/index.js';
import { APPROVAL, inAnHour, nextOf } from './approval-work.js';
import { end, holdPending, holdWaiting, letGo } from './end-approval.js';
import { type Deciding, readDeciders, readNow } from './read-approval.js';
import { isUntold, tellEscalated, tellTurn } from './tell-deciders.js';
import type { Ending } from './tell-submitter.js';

const HOUR_MS = 3_600_000;

const byItself = ({ createdAt, autoApprovesAt }: Row<'Approval'>): string =>
  `Nobody decided in ${Math.round(((autoApprovesAt?.getTime() ?? 0) - createdAt.getTime()) / HOUR_MS)} hours.`;

/** What came of looking after an approval. */
type Outcome = 'over' | 'waits' | 'not yet';

/**
 * Does what an approval has coming by itself: it expires, is approved, or is for others to decide, too; or whoever was to decide cannot any more. Each under
 * the organization's lock, looking at it anew: nothing is done twice, and nothing to what is over.
 */
const LOOK_AFTER: DueKind<object> = {
  ...APPROVAL,
  async run({ orgId, subject }, deployment) {
    const approval = await deployment.organizationDb(orgId, bySystem(APPROVAL.name)).approval.find({ id: subject });
    if (approval?.status !== 'PENDING') return {};
    const again = await look({ orgId, approval, deployment });
    return again ? { again } : {};
  },
};

/** @returns when it is to be looked after again; null once it is over */
async function look(asking: Asking): Promise<Date | null> {
  const { approval, deployment } = asking;
  const now = deployment.now();
  try {
    // First, for what was not looked after for long may have all of it behind it.
    if (approval.expiresAt <= now) {
      await expire(asking);
      return null;
    }
    const isAutomatic = approval.autoApprovesAt !== null && approval.autoApprovesAt <= now;
    const outcome = isAutomatic ? await approveBySystem(asking, byItself(approval)) : 'waits';
    if (outcome === 'over') return null;
    const { after, isOwed } = await tellWhoeverIsNew(asking);
    const next = nextOf(after, now);
    // What cannot go on now, where a limit has no room or so much waits that somebody was not told, may in an hour.
    const soon = inAnHour(now);
    return (outcome === 'not yet' || isOwed) && soon < next ? soon : next;
  } catch (error) {
    // Somebody decided in between.
    if (error instanceof OrgateError && error.detail.reason === 'ALREADY_DECIDED') return null;
    throw error;
  }
}

/** Whether those were told who decide before it is approved by itself: the last of them, where it is escalated. */
const isTold = ({ toldIds, escalatesAt, escalatedAt }: Row<'Approval'>): boolean =>
  escalatesAt === null ? toldIds.length > 0 : escalatedAt !== null;

/** Whether somebody has to be told first, and is there: what nobody can decide waits for nobody. */
async function isForSomebody(deciding: Deciding, approval: Row<'Approval'>, hash: string): Promise<boolean> {
  if (isTold(approval)) return false;
  const { turn, escalation, isComplete } = await readDeciders(deciding, approval, hash);
  return (
    (approval.toldIds.length === 0 && turn.length > 0) ||
    (approval.escalatesAt !== null || isComplete ? escalation : turn).length > 0
  );
}

interface Asking {
  readonly orgId: OrgId;
  readonly approval: Row<'Approval'>;
  readonly deployment: Deployment;
}

/** Where nobody decides. */
interface ByItself extends Deciding, Ending {
  readonly db: LockedDb;
}

/** Works as the gateway by itself, and says why. */
const bySystemLocked = <T>(
  { orgId, deployment: { organizationDb, outside, use } }: Asking,
  reason: string,
  work: (inside: ByItself) => Promise<T>,
) =>
  organizationDb(orgId, { ...bySystem(APPROVAL.name), reason }).locked((db) =>
    work({ db, orgId, outside, use, by: null }),
  );

/**
 * Approves what nobody decided: where what will be done is what was asked for, and there is room for it, as of whoever decides.
 */
async function approveBySystem(asking: Asking, reason: string): Promise<Outcome> {
  try {
    return await bySystemLocked(asking, reason, async (inside) => {
      const { db } = inside;
      const approval = await holdWaiting(db, asking.approval);
      const now = await readNow(db, approval);
      if (!now.agent || now.hash !== approval.inputHash) return 'waits';
      if (await isForSomebody(inside, approval, now.hash)) return 'waits';
      if (!(await isStillWanted(inside, approval))) return 'not yet';
      await letGo(inside, approval, now, reason);
      return 'over';
    });
  } catch (error) {
    if (error instanceof OrgateError && error.code === 'BUDGET_EXCEEDED') return 'not yet';
    throw error;
  }
}

/** Whether what nobody decided still goes on by itself: the organization has it so, and whoever started it was not away since, and could do so now. */
async function isStillWanted(
  { db, orgId, outside, use }: ByItself,
  { submittedById, createdAt }: Row<'Approval'>,
): Promise<boolean> {
  if (readSettings(db.held)['approval.autoApproveAfterHours'] == null) return false;
  const member = await db.membership.load(submittedById);
  if (member?.status !== 'ACTIVE' || !isOfStay(createdAt, member)) return false;
  if (!effective(use(CATALOGUE), member).has('run:start')) return false;
  const barred = await outside(openHeldBarredMembers)(orgId, [submittedById]);
  return barred.size === 0;
}

const EXPIRED = 'nobody decided in 30 days.';

const expire = (asking: Asking): Promise<Outcome> =>
  bySystemLocked<Outcome>(asking, EXPIRED, async (inside) => {
    await end(inside, await holdPending(inside.db, asking.approval), 'EXPIRED', EXPIRED);
    return 'over';
  });

/**
 * Tells those to whom it is escalated, each once; and those whose turn it has become. Whoever is told late has as long as they would have had before it is approved by
 * itself.
 *
 * @returns the approval as it is then, and whether somebody is still to be told
 */
const tellWhoeverIsNew = (asking: Asking): Promise<{ after: Row<'Approval'>; isOwed: boolean }> =>
  bySystemLocked(asking, 'others may decide', async (telling) => {
    const { db } = telling;
    const approval = await holdWaiting(db, asking.approval);
    const { hash } = await readNow(db, approval);
    const { turn, escalation, isComplete } = await readDeciders(telling, approval, hash);
    const { escalatesAt, autoApprovesAt } = approval;
    const now = db.now();
    const putOff = (since: Date) =>
      autoApprovesAt && new Date(autoApprovesAt.getTime() + now.getTime() - since.getTime());
    const asked = { ...approval, inputHash: hash };
    const isFirst = escalatesAt === null && approval.toldIds.length === 0;
    const late = isFirst && { autoApprovesAt: putOff(approval.createdAt) };
    const whose = isComplete ? escalation : turn;
    const told = await tellTurn(telling, asked, whose, late || {});
    const isEscalated = escalatesAt !== null && escalatesAt <= now;
    const since = isEscalated && { escalatedAt: now, autoApprovesAt: putOff(escalatesAt) };
    const after = since ? await tellEscalated(telling, { ...told, inputHash: hash }, escalation, since) : told;
    return { after, isOwed: isUntold(after, isEscalated ? [...whose, ...escalation] : whose) };
  });

export const due = [LOOK_AFTER];
