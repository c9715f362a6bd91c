import { z } from 'zod';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { addDueWork } from '../../jobs/due-kind.js';

/** What an approval has done about it by itself; its subject is the approval. */
export const APPROVAL = { name: 'approval', payload: z.object({}) };

type Times = Pick<Row<'Approval'>, 'escalatesAt' | 'escalatedAt' | 'autoApprovesAt' | 'expiresAt' | 'toldIds'>;

const HOUR_MS = 3_600_000;

/** So often it is looked at whether what could not be done can. */
export const inAnHour = (after: Date): Date => new Date(after.getTime() + HOUR_MS);

/** Whether there is somebody to be told by now who was not, since others wait or nobody was there. */
const isOwed = ({ toldIds, escalatesAt, escalatedAt }: Times, now: Date): boolean =>
  toldIds.length === 0 || (escalatesAt !== null && escalatesAt <= now && escalatedAt === null);

/** When there is something to be done about it next, all that can be by then being done. */
export function nextOf(approval: Times, after: Date): Date {
  const { escalatesAt, autoApprovesAt, expiresAt } = approval;
  const soon = isOwed(approval, after) ? inAnHour(after) : null;
  const later = [escalatesAt, autoApprovesAt, expiresAt, soon].filter((time) => time !== null && time > after);
  return later.reduce<Date>((first, time) => (time !== null && time < first ? time : first), expiresAt);
}

/** In the transaction that makes it, as it is once those were told who decide. */
export const lookAfter = (db: OrganizationDb, approval: Times & { readonly id: string }): Promise<string> =>
  addDueWork(db, APPROVAL, { subject: approval.id, payload: {}, dueAt: nextOf(approval, db.now()) });
