import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict, notFound, OrgateError } from '../../errors.js';
import { parseInput } from '../../resource/input.js';
import { asActor, readActor } from '../../rights/actor.js';
import { type AddedEvent, addEvents, type NewEvent } from './add-events.js';
import { countedOn } from './period.js';
import { keyText } from './record-usage.js';

const difference = z
  .int('Must be a whole number.')
  .nullish()
  .transform((more) => BigInt(more ?? 0));

const correctionInput = z
  .object({
    eventId: z.string(),
    idempotencyKey: keyText,
    quantity: difference,
    costMicros: difference,
    reason: z.string().trim().min(1, 'Must not be blank.').max(500, 'At most 500 characters.'),
  })
  .refine(({ quantity, costMicros }) => quantity !== 0n || costMicros !== 0n, {
    path: ['quantity'],
    message: 'Give what is more or less than was recorded.',
  });

/**
 * Corrects an event by another one. Under the organization's lock: of two corrections the second sees the first.
 *
 * What a run reported, and what counts elsewhere than it would be taken from, only whoever decides on limits corrects: it would make room in them.
 *
 * @throws FORBIDDEN; NOT_FOUND; CONFLICT where it is a correction, or the key stands for something else; BAD_USER_INPUT where more were taken away than there is
 */
export function correctUsage(input: unknown, context: RequestContext): Promise<AddedEvent> {
  const { eventId, ...correction } = parseInput(correctionInput, input);
  return asActor(context, 'usage:correct', async (db) => {
    const original = await db.usageEvent.get({ id: eventId });
    if (original.corrects !== null) throw conflict('A correction is not corrected.', 'input.eventId');
    const now = db.now();
    const counted = countedOn(original.occurredAt, now);
    const decidesOnLimits = original.reported || original.late || counted.late;
    if (decidesOnLimits) await readActor(db, context, 'billing:manage');
    const isRepeated = (await db.usageEvent.find({ idempotencyKey: correction.idempotencyKey })) !== null;
    if (!isRepeated) await assertEnough(db, original, correction);
    const event: NewEvent = {
      ...correction,
      ...counted,
      id: newId('use', now.getTime()),
      metric: original.metric,
      occurredAt: original.occurredAt,
      recordedAt: now,
      runId: original.runId,
      agentId: original.agentId,
      createdById: original.createdById,
      keyId: original.keyId,
      provider: original.provider,
      attributes: null,
      corrects: eventId,
    };
    // Whoever corrects names the event, and the key of a correction stands for this one of it.
    const [added] = await addEvents(db, [{ event, isDated: true }], () => true);
    if (added === undefined || added instanceof OrgateError) throw added ?? notFound();
    return added;
  });
}

async function assertEnough(
  db: LockedDb,
  { id, quantity, costMicros }: Row<'UsageEvent'>,
  correction: { readonly quantity: bigint; readonly costMicros: bigint },
): Promise<void> {
  const [before] = await db.usageEvent.group('corrects', { corrects: id }, ['quantity', 'costMicros']);
  const isBelow = (field: 'quantity' | 'costMicros', all: bigint) =>
    all + (before?.sums[field] ?? 0n) + correction[field] < 0n;
  if (isBelow('quantity', quantity)) throw badInput('input.quantity', 'Takes more away than was recorded.');
  if (isBelow('costMicros', costMicros)) throw badInput('input.costMicros', 'Takes more away than was recorded.');
}
