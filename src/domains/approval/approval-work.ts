import { z } from 'zod';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { addDueWork } from '../../jobs/due-kind.js';

/** What an approval has done about it by itself; its subject is the approval. */
export const APPROVAL = { name: 'approval', payload: z.object({}) };

type Times = Pick<Row<'Approval'>, 'id' | 'escalatesAt' | 'autoApprovesAt' | 'expiresAt'>;

/** When there is something to be done about it next, all that was due by then being done. */
export function nextOf({ escalatesAt, autoApprovesAt, expiresAt }: Times, after: Date): Date {
  const later = [escalatesAt, autoApprovesAt, expiresAt].filter((time) => time !== null && time > after);
  return later.reduce<Date>((first, time) => (time !== null && time < first ? time : first), expiresAt);
}

/** In the transaction that makes it. */
export const lookAfter = (db: OrganizationDb, approval: Times): Promise<string> =>
  addDueWork(db, APPROVAL, { subject: approval.id, payload: {}, dueAt: nextOf(approval, db.now()) });
