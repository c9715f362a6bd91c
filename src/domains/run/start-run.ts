import { isDeepStrictEqual } from 'node:util';
import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, OrgateError } from '../../errors.js';
import { decideAllowed } from '../../permissions/features.js';

export interface RunStart {
  readonly agentId: string;
  readonly input?: unknown;
  readonly idempotencyKey?: string | null | undefined;
  readonly estimatedCostMicros?: bigint | null | undefined;
}

/**
 * Queues a run. With a key that was used before it answers the run of that time, also when both calls came at once. The statement that makes it
 * lets it in: what it is thought to cost is reserved with it, or there is neither.
 *
 * @throws BUDGET_EXCEEDED, LIMIT_REACHED
 * @throws NOT_FOUND without such an agent; CONFLICT on `input.idempotencyKey` when the key stands for another start, or for
 *   someone else's where the actor reads no runs
 */
export async function startRun(
  { agentId, input, idempotencyKey, estimatedCostMicros }: RunStart,
  context: RequestContext,
): Promise<Row<'Run'>> {
  const { db } = context;
  const { repositoryId } = await db.agent.get({ id: agentId });
  // As the store gives it back: objects written into a query have no prototype, and would differ from those it gives.
  const stored: unknown = JSON.parse(JSON.stringify(input ?? null));
  // Keys are chosen by their users, and may be guessed.
  const mayReadOthers = context.organization.permissions.has('run:read');
  const earlier = async () => {
    const found = idempotencyKey == null ? null : await db.run.find({ idempotencyKey });
    const isSame = async ({ id, agentId: before, createdById }: Row<'Run'>) =>
      (createdById === context.actorId || mayReadOthers) &&
      before === agentId &&
      isDeepStrictEqual(await db.run.loadApart(id, 'input'), stored);
    if (found && !(await isSame(found))) {
      throw conflict('This key was used for another start.', 'input.idempotencyKey');
    }
    return found;
  };
  const found = await earlier();
  if (found) return found;
  const { max: runsPerDay } = decideAllowed(context.organization.membership.standing, 'runs_per_day');
  const createdAt = db.now();
  return db.run
    .create({
      id: newId('run', createdAt.getTime()),
      agentId,
      repositoryId,
      createdById: context.actorId,
      createdAt,
      ...(input != null && { input }),
      ...(idempotencyKey != null && { idempotencyKey }),
      ...(estimatedCostMicros != null && { estimatedCostMicros }),
      ...(runsPerDay !== null && { runsPerDay }),
    })
    .catch(async (error: unknown) => {
      const isTaken = error instanceof OrgateError && error.code === 'CONFLICT';
      const winner = isTaken ? await earlier() : null;
      if (!winner) throw error;
      return winner;
    });
}
