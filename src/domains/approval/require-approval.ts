import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, OrgateError } from '../../errors.js';
import { nowInStay } from '../../identity/stay.js';
import { readSettings } from '../organization/settings/index.js';
import { lookAfter } from './approval-work.js';
import { readDeciders, readNow } from './read-approval.js';
import { tellTurn } from './tell-deciders.js';
import { digestOf } from './what-will-run.js';

const HOUR_MS = 3_600_000;
/** After which nobody decides any more. */
const EXPIRES_MS = 30 * 24 * HOUR_MS;
/** So long before at the latest it is approved by itself, where it ever is. */
const BEFORE_EXPIRY_MS = HOUR_MS / 2;
/** What an agent usually costs is told by so many of its runs that went well, as where a budget reserves it. */
const TOLD_BY = 100;
/** With fewer of them nobody knows. */
const TOLD_FROM = 10;
const USUAL = 0.95;

/** So many wait at most, of an organization and of one who started them. */
const MOST_PENDING = 1000;
const MOST_PENDING_OF_ONE = 100;

type Settings = ReturnType<typeof readSettings>;

/** What a run has to be allowed by. */
export type Requirement = Pick<Settings, Extract<keyof Settings, `approval.${string}`>>;

export interface Wanted {
  readonly agent: Row<'Agent'>;
  readonly estimatedCostMicros: bigint | null;
}

/**
 * By what a run that is started has to be allowed; null where it has not. It is as the settings are now: whoever changes them at the same moment comes
 * after it. The feature `approvals` is not asked for: without it nothing more is set, and what is set does not lapse with a plan.
 */
export async function findRequirement(
  { agent, estimatedCostMicros }: Wanted,
  { db }: RequestContext,
): Promise<Requirement | null> {
  const settings = readSettings(await db.organization.get({}));
  const required = settings['approval.requireFor'];
  if (required.some(({ kind, agentId }) => kind === 'EVERY_RUN' || (kind === 'AGENT' && agentId === agent.id)))
    return settings;
  const limits = required.flatMap(({ kind, costMicros }) =>
    kind === 'RUNS_OVER' && costMicros != null ? [costMicros] : [],
  );
  if (limits.length === 0) return null;
  const usual = await usualCostOf(agent, db);
  const least = BigInt(Math.min(...limits));
  // What people say it costs is believed where it is more than what is known, and nothing else that whoever starts it could say themselves.
  const isOver = [usual, estimatedCostMicros, agent.estimatedCostMicros].some((cost) => (cost ?? 0n) > least);
  return usual === null || isOver ? settings : null;
}

/**
 * Not of what has to be allowed by its name: made anew, with another id, it would not.
 *
 * @throws CONFLICT
 */
export function assertNotNamed(held: Parameters<typeof readSettings>[0], agentIds: readonly string[]): void {
  if (readSettings(held)['approval.requireFor'].some(({ agentId }) => agentId !== null && agentIds.includes(agentId))) {
    throw conflict('The settings have its runs allowed: change settings.approval.requireFor first.');
  }
}

/** Null while nobody knows. */
async function usualCostOf(agent: Row<'Agent'>, db: OrganizationDb): Promise<bigint | null> {
  const runs = await db.run.list({
    where: { agentId: agent.id, status: 'SUCCEEDED' },
    orderBy: { createdAt: 'desc', id: 'desc' },
    take: TOLD_BY,
  });
  const costs = runs.map(({ totalCostMicros }) => totalCostMicros).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return costs.length < TOLD_FROM ? null : (costs[Math.ceil(costs.length * USUAL) - 1] ?? null);
}

/** That people can still look at what waits; of two that come at once the second sees the first where it is locked. @throws LIMIT_REACHED */
export async function assertRoom(db: Pick<LockedDb, 'approval'>, submittedById: string): Promise<void> {
  const pending = { status: 'PENDING' } as const;
  for (const [max, where] of [
    [MOST_PENDING_OF_ONE, { ...pending, submittedById }],
    [MOST_PENDING, pending],
  ] as const) {
    const used = await db.approval.count(where);
    if (used < max) continue;
    throw new OrgateError('LIMIT_REACHED', `${max} wait to be allowed already: decide on them, or take some back.`, {
      limit: 'pending_approvals',
      max,
      used,
    });
  }
}

/**
 * Has a run wait to be allowed, in the transaction that makes it, where there is room for it, and tells those whom it waits for.
 *
 * @param input as the store gives it back
 */
export async function requireApproval(
  db: LockedDb,
  run: Row<'Run'>,
  input: unknown,
  requirement: Requirement,
  context: RequestContext,
): Promise<void> {
  const { viewer, organization, outside, use } = context;
  const inputDigest = digestOf(input);
  const { hash, agent } = await readNow(db, { subjectId: run.id, inputDigest });
  const key = viewer?.apiKey ? await db.apiKey.find({ id: viewer.apiKey.id }) : null;
  const after = (hours: number | null | undefined): Date | null =>
    hours == null ? null : new Date(run.createdAt.getTime() + hours * HOUR_MS);
  const expiresAt = new Date(run.createdAt.getTime() + EXPIRES_MS);
  // What somebody began for a member goes on by itself no more than they do: by then they may have been shown out.
  const autoApprovesAt = viewer?.impersonation ? null : after(requirement['approval.autoApproveAfterHours']);
  const latest = new Date(expiresAt.getTime() - BEFORE_EXPIRY_MS);
  const approval = await db.approval.create({
    id: newId('apr', run.createdAt.getTime()),
    subjectType: 'RUN',
    subjectId: run.id,
    submittedById: run.createdById,
    keyMadeById: key?.createdById ?? viewer?.impersonation?.by.id ?? null,
    approverIds: [...requirement['approval.approvers']],
    order: requirement['approval.order'],
    allowSelfApproval: requirement['approval.allowSelfApproval'],
    escalationToId: requirement['approval.escalationTo'] ?? null,
    escalatesAt: after(requirement['approval.escalationAfterHours']),
    autoApprovesAt: autoApprovesAt && autoApprovesAt > latest ? latest : autoApprovesAt,
    expiresAt,
    inputDigest,
    inputHash: hash,
    agentVersion: agent?.version ?? 0,
    createdAt: nowInStay(run.createdAt, organization.membership),
  });
  const deciding = { db, orgId: organization.orgId, outside, use };
  const { turn } = await readDeciders(deciding, approval, hash);
  await lookAfter(db, await tellTurn(deciding, approval, turn));
}
