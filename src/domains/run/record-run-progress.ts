import type { RequestContext } from '../../context/context.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict, notFound, OrgateError } from '../../errors.js';
import { RunStatus } from '../../generated/enums.js';
import { nextDay, nextMonth } from '../../instant.js';
import { given } from '../../resource/input.js';
import { decideLimit } from '../../permissions/features.js';
import { asActor, readActorNow } from '../../rights/actor.js';
import type { LiveClaim } from '../../identity/claims.js';
import { renewClaim } from './use-claim.js';

/** Millionths in one unit of the currency. */
export const MICROS = 1_000_000;

export interface RunProgress {
  readonly status?: RunStatus | null | undefined;
  readonly output?: unknown;
  readonly error?: string | null | undefined;
  readonly totalTokens?: number | null | undefined;
  readonly totalCost?: number | null | undefined;
  readonly totalCostMicros?: number | null | undefined;
}

/** What reports make of a run: of one that waits to be allowed, nothing. */
const NEXT: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  AWAITING_APPROVAL: [],
  QUEUED: ['RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  RUNNING: ['SUCCEEDED', 'FAILED', 'CANCELLED'],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
};

export const STATUSES: readonly RunStatus[] = Object.values(RunStatus);

/** Those of which executors report, and that a run may still leave. */
export const UNFINISHED: readonly RunStatus[] = STATUSES.filter((status) => NEXT[status].length > 0);

const isFinished = (status: RunStatus): boolean => NEXT[status].length === 0;

/**
 * Says how far an executor got: of two reports at once the second sees the first, and
 * the limit of concurrent runs holds. Only who begins a run waits for others of the organization.
 *
 * A run that was claimed is reported on by its claim alone, which holds for as long again with each report and is over with the last one.
 *
 * @throws NOT_FOUND; CONFLICT when the run is finished or claimed, the claim over, or the limit reached; BUDGET_EXCEEDED when one begins for
 *   which nothing is held, and nothing is left; BAD_USER_INPUT when a total would fall
 */
export async function recordRunProgress(
  id: string,
  progress: RunProgress,
  context: RequestContext,
): Promise<Row<'Run'>> {
  const claim = context.viewer?.claim ?? null;
  if (claim) return reportOnClaimed(claim, id, progress, context);
  // Whoever says nothing learns how it stands, which of what is over changes nothing, not even when it was reported on last.
  const saysNothing = Object.values(progress).every((said) => said == null);
  const over = saysNothing ? await context.db.run.get({ id }) : null;
  if (over?.finishedAt) {
    assertUnclaimed(over);
    return over;
  }
  const begins = ({ status }: Row<'Run'>) => progress.status === 'RUNNING' && NEXT[status].includes('RUNNING');
  const mayBegin = progress.status === 'RUNNING' && begins(await context.db.run.get({ id }));
  const reported = mayBegin
    ? null
    : await context.db.transaction(async (tx) => {
        const run = await holdRun(tx, id);
        await readActorNow(context, 'run:record');
        assertUnclaimed(run);
        // It may have been put back meanwhile.
        return begins(run) ? null : report(tx, run, progress);
      });
  if (reported !== null) return reported;
  return asActor(context, 'run:record', async (tx) => {
    const run = await holdRun(tx, id);
    assertUnclaimed(run);
    const { max } = decideLimit(tx.held, 'concurrent_runs');
    if (begins(run) && max !== null && (await tx.run.count({ status: 'RUNNING' })) >= max) {
      throw conflict(`${max} runs are RUNNING, which is the organization's limit.`, 'input.status');
    }
    if (begins(run) && run.stopReason === 'BUDGET') throw await usedUp(tx);
    return report(tx, run, progress);
  });
}

/** Which limit keeps a run from beginning: one that is used up, of both the month's; else one that is full with what is held. */
async function usedUp(tx: OrganizationDb): Promise<OrgateError> {
  const { monthlyLimitMicros, dailyLimitMicros, monthSettledMicros, daySettledMicros, reservedMicros } =
    await tx.budget.get({});
  const isUsed = (limit: bigint | null, spent: bigint) => limit !== null && spent >= limit;
  const isMonthly =
    isUsed(monthlyLimitMicros, monthSettledMicros) ||
    (!isUsed(dailyLimitMicros, daySettledMicros) && isUsed(monthlyLimitMicros, monthSettledMicros + reservedMicros));
  return new OrgateError('BUDGET_EXCEEDED', undefined, {
    limit: isMonthly ? 'MONTHLY' : 'DAILY',
    limitMicros: Number(isMonthly ? monthlyLimitMicros : dailyLimitMicros),
    settledMicros: Number(isMonthly ? monthSettledMicros : daySettledMicros),
    reservedMicros: Number(reservedMicros),
    resetsAt: (isMonthly ? nextMonth : nextDay)(tx.now()).toISOString(),
  });
}

/** The run as it is, once everyone else who changes it is through: an update holds its row until the transaction ends. */
const holdRun = (tx: OrganizationDb, id: string): Promise<Row<'Run'>> =>
  tx.run.update({ id }, { reportedAt: tx.now() });

/** It is RUNNING since it was claimed: nobody waits for the organization's other runs here. */
function reportOnClaimed(
  claim: LiveClaim,
  id: string,
  progress: RunProgress,
  context: RequestContext,
): Promise<Row<'Run'>> {
  if (claim.runId !== id) return Promise.reject(notFound());
  return context.db.transaction(async (tx) => {
    const run = await holdRun(tx, id);
    await renewClaim(tx, claim);
    const reported = await report(tx, run, progress);
    const ends = reported.status !== run.status && isFinished(reported.status);
    if (ends) await tx.runClaim.updateMany({ id: claim.id }, { endedAt: tx.now() });
    return reported;
  });
}

function assertUnclaimed({ claimId }: Row<'Run'>): void {
  if (claimId !== null) throw conflict('Whoever claimed this run reports on it, with the token of the claim.');
}

function report(tx: OrganizationDb, run: Row<'Run'>, progress: RunProgress): Promise<Row<'Run'>> {
  if (run.status === 'AWAITING_APPROVAL') throw conflict('This run waits to be allowed: nobody works on it.', 'id');
  const status = progress.status ?? run.status;
  const moves = status !== run.status;
  if (moves && !NEXT[run.status].includes(status)) {
    throw conflict(`A ${run.status} run cannot become ${status}.`, 'input.status');
  }
  const saysMore = progress.output != null || progress.error != null;
  const mayCostMore = !isFinished(run.status) || run.status === 'CANCELLED';
  if (isFinished(run.status) && saysMore) throw conflict('A finished run stays as it is.', 'input');
  const now = tx.now();
  const cost =
    progress.totalCostMicros ?? (progress.totalCost == null ? null : Math.round(progress.totalCost * MICROS));
  const costArgument = progress.totalCostMicros == null ? 'input.totalCost' : 'input.totalCostMicros';
  return tx.run.update(
    { id: run.id },
    given({
      status,
      output: (progress.output ?? undefined) as never,
      error: progress.error ?? undefined,
      totalTokens: risen(run.totalTokens, progress.totalTokens, mayCostMore, 'input.totalTokens'),
      totalCostMicros: risen(run.totalCostMicros, cost, mayCostMore, costArgument),
      startedAt: moves && run.startedAt === null && status === 'RUNNING' ? now : undefined,
      finishedAt: moves && isFinished(status) ? now : undefined,
    }),
  );
}

function risen(
  before: bigint,
  after: number | null | undefined,
  mayRise: boolean,
  argument: string,
): bigint | undefined {
  if (after == null || BigInt(after) === before) return undefined;
  if (BigInt(after) < before) throw badInput(argument, 'A total never falls.');
  if (!mayRise) throw conflict('A finished run stays as it is.', argument);
  return BigInt(after);
}
