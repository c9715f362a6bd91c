import type { RequestContext } from '../../context/context.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict } from '../../errors.js';
import { RunStatus } from '../../generated/enums.js';
import { given } from '../../resource/input.js';
import { decideLimit } from '../../permissions/features.js';
import { readActor, readActorNow } from '../../rights/actor.js';

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

const NEXT: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  QUEUED: ['RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  RUNNING: ['SUCCEEDED', 'FAILED', 'CANCELLED'],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
};

export const STATUSES: readonly RunStatus[] = Object.values(RunStatus);

/** Those that a run may still leave. */
export const UNFINISHED: readonly RunStatus[] = STATUSES.filter((status) => NEXT[status].length > 0);

const isFinished = (status: RunStatus): boolean => NEXT[status].length === 0;

/**
 * Says how far an executor got: of two reports at once the second sees the first, and
 * the limit of concurrent runs holds. Only who begins a run waits for others of the organization.
 *
 * @throws NOT_FOUND; CONFLICT when the run is finished or the limit is reached; BAD_USER_INPUT when a total would fall
 */
export function recordRunProgress(id: string, progress: RunProgress, context: RequestContext): Promise<Row<'Run'>> {
  if (progress.status !== 'RUNNING') {
    return context.db.transaction(async (tx) => {
      const run = await holdRun(tx, id);
      await readActorNow(context, 'run:record');
      return report(tx, run, progress);
    });
  }
  return context.db.locked(async (tx) => {
    await readActor(tx, context, 'run:record');
    const run = await holdRun(tx, id);
    const { max } = decideLimit(tx.held, 'concurrent_runs');
    const begins = NEXT[run.status].includes('RUNNING');
    if (begins && max !== null && (await tx.run.count({ status: 'RUNNING' })) >= max) {
      throw conflict(`${max} runs are RUNNING, which is the organization's limit.`, 'input.status');
    }
    return report(tx, run, progress);
  });
}

/** The run as it is, once everyone else who changes it is through: an update holds its row until the transaction ends. */
const holdRun = (tx: OrganizationDb, id: string): Promise<Row<'Run'>> =>
  tx.run.update({ id }, { reportedAt: tx.now() });

function report(tx: OrganizationDb, run: Row<'Run'>, progress: RunProgress): Promise<Row<'Run'>> {
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
