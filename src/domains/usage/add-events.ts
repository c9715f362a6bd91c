import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Created, Row } from '../../data/organization/table.js';
import { conflict, type OrgateError } from '../../errors.js';

/** An event that is to be added, with the key that it has in its organization for good. */
export type NewEvent = Created<'UsageEvent'> & {
  readonly id: string;
  readonly idempotencyKey: string;
};

export interface WantedEvent {
  readonly event: NewEvent;
  /** Whether the client said when it occurred; else it is the same whenever it is repeated. */
  readonly isDated: boolean;
}

export interface AddedEvent {
  readonly event: Row<'UsageEvent'>;
  readonly duplicate: boolean;
}

/** What has to be the same where a key is used again. */
const SAME = ['metric', 'quantity', 'costMicros', 'runId', 'attributes', 'corrects', 'reason'] as const;

/**
 * Adds events by one statement, however many: of two calls that add one key at once, one does. Answers for each whether it was there before, or that
 * its key stands for another: keys are chosen by their users and may be guessed, and one that somebody else used is nothing to whoever may not know of it.
 */
export async function addEvents(
  db: OrganizationDb,
  wanted: readonly WantedEvent[],
  mayKnow: (there: Row<'UsageEvent'>) => boolean,
): Promise<(AddedEvent | OrgateError)[]> {
  const byKey = new Map<string, NewEvent>();
  for (const { event } of wanted) if (!byKey.has(event.idempotencyKey)) byKey.set(event.idempotencyKey, event);
  // In one order, or two that add the same could wait for each other.
  const keys = [...byKey.keys()].toSorted();
  const first = keys.flatMap((key) => byKey.get(key) ?? []);
  if (first.length > 0) await db.usageEvent.createMany(first, { skipTaken: true });
  const where = { idempotencyKey: { in: keys } };
  const stored = await db.usageEvent.list({ where, orderBy: { id: 'asc' }, take: keys.length });
  const found = new Map(stored.map((event) => [event.idempotencyKey, event]));
  return wanted.map(({ event, isDated }) => {
    const there = found.get(event.idempotencyKey);
    const isSame =
      there !== undefined &&
      mayKnow(there) &&
      SAME.every((field) => there[field] === event[field]) &&
      (!isDated || there.occurredAt.getTime() === new Date(event.occurredAt).getTime());
    if (!isSame) return conflict('This key was used for something else, or by somebody else.', 'input.idempotencyKey');
    return { event: there, duplicate: there.id !== event.id };
  });
}
