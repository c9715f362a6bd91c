import { randomUUID } from 'node:crypto';
import { bySystem } from '../../data/connection/act.js';
import { newId, type OrgId } from '../../data/id.js';
import type { OpenOrganizationDb } from '../../data/organization/organization-db.js';
import { OrgateError } from '../../errors.js';
import { part } from '../../parts.js';
import { CALLS_METRIC } from './metrics.js';
import { countedOn } from './period.js';

/** Counts requests by organization. To count one costs a look into a map, and never fails; it is written later, with all others. */
export interface CallCounter {
  /** @param most how many a month its plan has, as of now; null without a limit */
  count(orgId: OrgId, most: number | null): void;
  /**
   * Writes what was counted, one event for each organization that had any. What could not be written waits for the next time.
   *
   * @throws AggregateError with what failed
   */
  write(signal?: AbortSignal): Promise<void>;
}

export const CALLS = part<CallCounter>('counter of calls');

/** Of so many organizations calls wait at the most, 200 bytes each: of others none are counted meanwhile. */
const MOST_ORGANIZATIONS = 50_000;

const ACT = bySystem('count-calls');

/** What is on its way into a ledger. Tried again it is the same, so that what was written although nobody heard is not written twice. */
interface Batch extends Counted {
  readonly idempotencyKey: string;
}

interface Counted {
  readonly calls: number;
  /** As it was at the last of them. */
  readonly most: number | null;
}

/** @param most of how many organizations calls wait at the most */
export function createCallCounter(organizationDb: OpenOrganizationDb, most = MOST_ORGANIZATIONS): CallCounter {
  const counted = new Map<OrgId, Counted>();
  const underWay = new Map<OrgId, Batch>();
  let writing: Promise<void> | null = null;

  const write = async (orgId: OrgId, { idempotencyKey, calls, most: max }: Batch): Promise<void> => {
    const db = organizationDb(orgId, ACT);
    const now = db.now();
    const event = {
      id: newId('use', now.getTime()),
      idempotencyKey,
      metric: CALLS_METRIC,
      quantity: BigInt(calls),
      costMicros: 0n,
      occurredAt: now,
      recordedAt: now,
      ...countedOn(now, now),
      createdById: '',
      // The database tells of what it reaches.
      ...(max !== null && { attributes: JSON.stringify({ max }) }),
    };
    await db.usageEvent.createMany([event], { skipTaken: true });
  };

  const writeAll = async (signal?: AbortSignal): Promise<void> => {
    for (const [orgId, last] of counted) {
      // Of whose last batch nobody knows whether it was written, more is not added to it.
      if (underWay.has(orgId) || underWay.size >= most) continue;
      // Nobody can guess it, and take it before.
      underWay.set(orgId, { idempotencyKey: `${CALLS_METRIC}/${randomUUID()}`, ...last });
      counted.delete(orgId);
    }
    const failures: unknown[] = [];
    const batches = [...underWay];
    for (const [orgId, batch] of batches) {
      if (signal?.aborted) break;
      try {
        await write(orgId, batch);
        underWay.delete(orgId);
      } catch (error) {
        // Of an organization that is gone nothing is kept; whatever else it was may be over the next time, behind the others.
        const isGone = codeOf(error) === 'NOT_FOUND';
        if (!isGone) failures.push(error);
        // While the database is away there is no use in asking for the others.
        if (codeOf(error) === 'SERVICE_UNAVAILABLE') break;
        underWay.delete(orgId);
        if (!isGone) underWay.set(orgId, batch);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'calls were not written');
  };

  return {
    count(orgId, max) {
      const before = counted.get(orgId);
      if (before === undefined && counted.size >= most) return;
      counted.set(orgId, { calls: (before?.calls ?? 0) + 1, most: max });
    },
    write: (signal) => (writing ??= writeAll(signal).finally(() => (writing = null))),
  };
}

const codeOf = (error: unknown) => (error instanceof OrgateError ? error.code : null);
