import { isDeepStrictEqual } from 'node:util';
import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, OrgateError } from '../../errors.js';
import { decideAllowed } from '../../permissions/features.js';
import { assertSaysFor } from '../../resource/for-others.js';
import { asActor, writeAsRead } from '../../rights/actor.js';
import { assertRoom, findRequirement, requireApproval } from '../approval/index.js';

export interface RunStart {
  readonly agentId: string;
  readonly input?: unknown;
  readonly idempotencyKey?: string | null | undefined;
  readonly estimatedCostMicros?: bigint | null | undefined;
  readonly priority?: number | null | undefined;
}

/** An estimate reserves of a budget. */
const FOR_OTHERS = ['agentId', 'input', 'idempotencyKey', 'priority'] as const satisfies readonly (keyof RunStart)[];

/**
 * Queues a run, or has it wait for people to allow it, with all that this takes. With a key that was used before it answers the run of that time, also when both calls came at once. The statement that makes it
 * lets it in: what it is thought to cost is reserved with it, or there is neither.
 *
 * @throws BUDGET_EXCEEDED, LIMIT_REACHED; UNAUTHENTICATED or FORBIDDEN when the actor may not any more
 * @throws FORBIDDEN on `input.estimatedCostMicros` for whoever acts as a member
 * @throws NOT_FOUND without such an agent; CONFLICT on `input.idempotencyKey` when the key stands for another start, or for
 *   someone else's where the actor reads no runs
 */
export async function startRun(wanted: RunStart, context: RequestContext): Promise<Row<'Run'>> {
  assertSaysFor(context, wanted, FOR_OTHERS);
  const { agentId, input, idempotencyKey, estimatedCostMicros, priority } = wanted;
  const { db } = context;
  const agent = await db.agent.get({ id: agentId });
  // As the store gives it back: objects written into a query have no prototype, and would differ from those it gives.
  const stored: unknown = JSON.parse(JSON.stringify(input ?? null));
  // Keys are chosen by their users, and may be guessed.
  const mayReadOthers = context.organization.permissions.has('run:read');
  const earlier = async () => {
    const found = idempotencyKey == null ? null : await db.run.find({ idempotencyKey });
    const isSame = async ({ id, createdById, ...before }: Row<'Run'>) =>
      (createdById === context.actorId || mayReadOthers) &&
      before.agentId === agentId &&
      before.priority === (priority ?? 0) &&
      // Where nobody said, it may be what the agent usually costs.
      (estimatedCostMicros == null || before.estimatedCostMicros === estimatedCostMicros) &&
      isDeepStrictEqual(await db.run.loadApart(id, 'input'), stored);
    if (found && !(await isSame(found))) {
      throw conflict('This key was used for another start.', 'input.idempotencyKey');
    }
    return found;
  };
  const found = await earlier();
  if (found) return found;
  const { max: runsPerDay } = decideAllowed(context.organization.membership.standing, 'runs_per_day');
  const requirement = await findRequirement({ agent, estimatedCostMicros: estimatedCostMicros ?? null }, context);
  const createdAt = db.now();
  const made = {
    id: newId('run', createdAt.getTime()),
    agentId,
    repositoryId: agent.repositoryId,
    createdById: context.actorId,
    createdAt,
    ...(input != null && { input }),
    ...(idempotencyKey != null && { idempotencyKey }),
    ...(estimatedCostMicros != null && { estimatedCostMicros }),
    ...(runsPerDay !== null && { runsPerDay }),
    ...(priority != null && { priority }),
  };
  const start = async (): Promise<Row<'Run'>> => {
    if (!requirement) return writeAsRead(context, 'run:start', (inside) => inside.run.create(made));
    // Whoever asks for more and more holds up nobody. Under the lock, or of those that come at once more would wait than may.
    await assertRoom(db, context.actorId);
    return asActor(context, 'run:start', async (tx) => {
      await assertRoom(tx, context.actorId);
      const run = await tx.run.create({ ...made, status: 'AWAITING_APPROVAL' });
      await requireApproval(tx, run, stored, requirement, context);
      return run;
    });
  };
  return start().catch(async (error: unknown) => {
    const isTaken = error instanceof OrgateError && error.code === 'CONFLICT';
    const winner = isTaken ? await earlier() : null;
    if (!winner) throw error;
    return winner;
  });
}
