import { z } from 'zod';
import type { RequestDb } from '../../data/organization/organization-db.js';
import type { DueKind } from '../../jobs/due-kind.js';

const KEPT_MS = 90 * 86_400_000;
/** Rows that one statement deletes. */
const BATCH = 500;

/** Deletes what members were told of long ago. The database asks for it with an organization's first, and it goes on from there. */
const NOTIFICATIONS_LAPSE: DueKind<object> = {
  name: 'notifications-lapse',
  payload: z.object({}),
  async run({ db, signal }) {
    const lapsed = { at: { lte: oldest(db) } };
    for (let count = BATCH; count === BATCH;) {
      signal.throwIfAborted();
      const rows = await db.notification.list({ where: lapsed, orderBy: { at: 'asc' }, take: BATCH });
      count = await db.notification.delete({ id: { in: rows.map(({ id }) => id) } });
    }
    const [first] = await db.notification.list({ where: {}, orderBy: { at: 'asc' }, take: 1 });
    return { again: new Date((first?.at ?? db.now()).getTime() + KEPT_MS) };
  },
};

/** What is as old as this is shown no more, whether it is deleted yet or not. */
export const oldest = (db: Pick<RequestDb, 'now'>): Date => new Date(db.now().getTime() - KEPT_MS);

export const due = [NOTIFICATIONS_LAPSE];
