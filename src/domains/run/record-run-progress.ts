import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict } from '../../errors.js';
import { RunStatus } from '../../generated/enums.js';
import { given } from '../../resource/input.js';
import { decideLimit } from '../../permissions/features.js';
import { readActor } from '../../rights/actor.js';

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

export const isFinished = (status: RunStatus): boolean => NEXT[status].length === 0;

/**
 * Says how far an executor got: of two reports at once the second sees the first, and
 * the limit of concurrent runs holds.
 *
 * @throws NOT_FOUND; CONFLICT when the run is finished or the limit is reached; BAD_USER_INPUT when a total would fall
 */
export function recordRunProgress(id: string, progress: RunProgress, context: RequestContext): Promise<Row<'Run'>> {
  return context.db.locked(async (tx) => {
    await readActor(tx, context, 'run:record');
    const { max } = decideLimit(tx.held, 'concurrent_runs');
    const run = await tx.run.get({ id });
    const status = progress.status ?? run.status;
    const moves = status !== run.status;
    if (moves && !NEXT[run.status].includes(status)) {
      throw conflict(`A ${run.status} run cannot become ${status}.`, 'input.status');
    }
    const saysMore = progress.output != null || progress.error != null;
    const mayCostMore = !isFinished(run.status) || run.status === 'CANCELLED';
    if (isFinished(run.status) && saysMore) throw conflict('A finished run stays as it is.', 'input');
    if (moves && status === 'RUNNING' && max !== null && (await tx.run.count({ status: 'RUNNING' })) >= max) {
      throw conflict(`${max} runs are RUNNING, which is the organization's limit.`, 'input.status');
    }
    const now = tx.now();
    const cost =
      progress.totalCostMicros ?? (progress.totalCost == null ? null : Math.round(progress.totalCost * MICROS));
    const costArgument = progress.totalCostMicros == null ? 'input.totalCost' : 'input.totalCostMicros';
    return tx.run.update(
      { id },
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
  });
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
