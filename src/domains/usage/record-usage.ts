import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import { badInput, notFound, OrgateError } from '../../errors.js';
import { parseInput } from '../../resource/input.js';
import { writeAsRead } from '../../rights/actor.js';
import { type AddedEvent, addEvents, type NewEvent, type WantedEvent } from './add-events.js';
import { recordedBy } from './metrics.js';
import { countedOn } from './period.js';

const MOST_AT_ONCE = 1000;
const OLDEST_MS = 35 * 86_400_000;
const AHEAD_MS = 5 * 60_000;
const MOST_ATTRIBUTES = 4096;

/** Names an event in its organization, for as long as that is kept. */
export const keyText = z.string().min(1, 'Must not be blank.').max(100, 'At most 100 characters.');

const amount = z.int('Must be a whole number.').min(0, 'Not below zero.');

const usageInput = z
  .object({
    idempotencyKey: keyText,
    metric: z.string(),
    quantity: amount,
    costMicros: amount.nullish().transform((micros) => micros ?? 0),
    occurredAt: z.date().nullish(),
    runId: z.string().nullish(),
    attributes: z
      .record(z.string(), z.unknown())
      .nullish()
      .transform((attributes) => (attributes == null ? null : JSON.stringify(attributes)))
      .refine((text) => text === null || Buffer.byteLength(text) <= MOST_ATTRIBUTES, 'At most 4 KiB.'),
  })
  .refine(({ runId, costMicros }) => runId == null || costMicros === 0, {
    path: ['costMicros'],
    message: 'What a run costs it reports, and would count twice.',
  });

/** Whose service it was, where a client says so in words that are a name. */
const providerOf = (attributes: string | null): string | null => {
  const { provider } = JSON.parse(attributes ?? '{}') as { provider?: unknown };
  return typeof provider === 'string' && /^[\w.:/-]{1,100}$/.test(provider) ? provider : null;
};

type Usage = z.output<typeof usageInput>;

interface Outcome {
  readonly event: AddedEvent['event'] | null;
  readonly duplicate: boolean;
  readonly error: { code: string; message: string; argument: string | null } | null;
}

/**
 * @throws BAD_USER_INPUT; NOT_FOUND without such a run; CONFLICT on `input.idempotencyKey` where that stands for something else, or for what somebody
 *   else recorded where the actor reads no usage; UNAUTHENTICATED or FORBIDDEN when the actor may not any more
 */
export async function recordUsage(input: unknown, context: RequestContext): Promise<AddedEvent> {
  const [outcome] = await recordAll([input], context, () => 'input');
  if (outcome === undefined || outcome instanceof OrgateError) throw outcome ?? notFound();
  return outcome;
}

/** The same for many. @throws BAD_USER_INPUT where they are too many */
export async function recordUsageBatch(
  inputs: readonly unknown[],
  context: RequestContext,
): Promise<{ outcomes: Outcome[] }> {
  if (inputs.length > MOST_AT_ONCE) throw badInput('input', 'At most 1,000 at once.');
  const outcomes = await recordAll(inputs, context, (index) => `input.${index}`);
  return { outcomes: outcomes.map((outcome, index) => toOutcome(outcome, index)) };
}

function toOutcome(outcome: AddedEvent | OrgateError, index: number): Outcome {
  if (!(outcome instanceof OrgateError)) return { ...outcome, error: null };
  const { code, message, detail } = outcome;
  const argument = detail.argument?.replace(/^input\.(?!\d)/, `input.${index}.`) ?? null;
  return { event: null, duplicate: false, error: { code, message, argument } };
}

/** Of each what became of it; what is wrong with one is no matter of the others. */
async function recordAll(
  inputs: readonly unknown[],
  context: RequestContext,
  at: (index: number) => string,
): Promise<(AddedEvent | OrgateError)[]> {
  const now = context.db.now();
  const metrics = recordedBy(context.organization.membership.standing.plan);
  const parsed = inputs.map((input, index) =>
    caught(() => {
      const usage = parseInput(usageInput, input, at(index));
      if (!metrics.includes(usage.metric)) throw badInput(`${at(index)}.metric`, `One of ${metrics.join(', ')}.`);
      const age = now.getTime() - (usage.occurredAt ?? now).getTime();
      if (age > OLDEST_MS) throw badInput(`${at(index)}.occurredAt`, 'At most 35 days ago.');
      if (-age > AHEAD_MS) throw badInput(`${at(index)}.occurredAt`, 'At most 5 minutes ahead.');
      return usage;
    }),
  );
  const agents = await agentsOf(parsed, context);
  const events = parsed.map((usage) => {
    if (usage instanceof OrgateError) return usage;
    const isThere = usage.runId == null || agents.has(usage.runId);
    if (!isThere) return notFound();
    const event = toEvent(usage, agents.get(usage.runId ?? '') ?? null, now, context);
    return { event, isDated: usage.occurredAt != null };
  });
  const valid = events.filter((event): event is WantedEvent => !(event instanceof OrgateError));
  const mayReadOthers = context.organization.permissions.has('usage:read');
  const mayKnow = ({ createdById }: AddedEvent['event']) => mayReadOthers || createdById === context.actorId;
  const add = () => writeAsRead(context, 'usage:record', (db) => addEvents(db, valid, mayKnow));
  const added = valid.length === 0 ? [] : await add();
  const outcomeOf = new Map(valid.map((event, index) => [event, added[index]]));
  return events.map((event) => (event instanceof OrgateError ? event : (outcomeOf.get(event) ?? notFound())));
}

/** The runs that are named and there, with their agents. */
async function agentsOf(
  usages: readonly (Usage | OrgateError)[],
  { db }: RequestContext,
): Promise<ReadonlyMap<string, string | null>> {
  const ids = new Set(
    usages.flatMap((usage) => (usage instanceof OrgateError || usage.runId == null ? [] : [usage.runId])),
  );
  const runs = await Promise.all([...ids].map((id) => db.run.load(id)));
  return new Map(runs.flatMap((run) => (run ? [[run.id, run.agentId] as const] : [])));
}

function toEvent(
  { idempotencyKey, metric, quantity, costMicros, occurredAt, runId = null, attributes }: Usage,
  agentId: string | null,
  now: Date,
  { actorId, viewer }: RequestContext,
): NewEvent {
  const at = occurredAt ?? now;
  return {
    id: newId('use', now.getTime()),
    idempotencyKey,
    metric,
    quantity: BigInt(quantity),
    costMicros: BigInt(costMicros),
    occurredAt: at,
    recordedAt: now,
    ...countedOn(at, now),
    runId,
    agentId,
    createdById: actorId,
    keyId: viewer?.apiKey?.id ?? null,
    provider: providerOf(attributes),
    attributes,
    corrects: null,
    reason: null,
  };
}

function caught<T>(work: () => T): T | OrgateError {
  try {
    return work();
  } catch (error) {
    if (error instanceof OrgateError) return error;
    throw error;
  }
}
