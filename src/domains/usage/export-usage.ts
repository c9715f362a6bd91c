import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL } from '../../context/deployment.js';
import { idPrefix, newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { notFound } from '../../errors.js';
import type { UsageExportFormat } from '../../generated/graphql.js';
import { addDueWork, type DueKind } from '../../jobs/due-kind.js';
import { type Lines, linesOf } from '../../resource/lines.js';
import { assertRoomForLink, isOpen, KEPT_MS, linkTimes, noteRead } from '../../resource/link.js';
import { asActor } from '../../rights/actor.js';
import { noteOpening } from '../audit-entry/index.js';
import type { record } from './record.js';
import { toDays } from './usage-by-day.js';

const PREFIX = 'uex';
/** Events that are read at once. */
export const PAGE = 500;

export type Event = Row<'UsageEvent'>;

/** A link that is over is forgotten; that it was made and read stands in the record. */
export const USAGE_EXPORT_LAPSES: DueKind<object> = {
  name: 'usage-export-lapses',
  payload: z.object({}),
  run: ({ subject }) => Promise.resolve({ settle: (db) => db.usageExport.delete({ id: subject }) }),
};

/** Where a link leads. */
export const urlOf = (id: string, { organization, use }: RequestContext): string =>
  `${use(PUBLIC_URL)()}/organizations/${organization.organization.slug}/usage/exports/${id}`;

const makerOf = ({ act }: RequestContext) => ({ makerKind: act.kind, makerId: act.id ?? '' });

/** Makes a link for whoever asks. @throws BAD_USER_INPUT for wrong days; RATE_LIMITED where they have too many links; FORBIDDEN */
export function exportUsage(
  input: { format: UsageExportFormat; from: string; to: string },
  context: RequestContext,
): Promise<Row<'UsageExport'>> {
  const days = toDays(input.from, input.to, 'input.');
  return asActor(context, 'usage:read', async (db) => {
    await assertRoomForLink(db, db.usageExport, makerOf(context));
    const times = linkTimes(context);
    const made = await db.usageExport.create({
      ...makerOf(context),
      id: newId(PREFIX),
      format: input.format,
      fromDay: days.from,
      toDay: days.to,
      ...times,
    });
    const dueAt = new Date(times.expiresAt.getTime() + KEPT_MS);
    await addDueWork(db, USAGE_EXPORT_LAPSES, { subject: made.id, payload: {}, dueAt });
    return made;
  });
}

/** What a link leads to. @throws NOT_FOUND for anyone but whoever made it, once it was read, and once its time is over */
export async function openUsageExport(id: string, context: RequestContext): Promise<Row<'UsageExport'>> {
  const { db } = context;
  if (idPrefix(id) !== PREFIX) throw notFound(); // a path can hold what no text in the database can
  const found = await db.usageExport.find({ id, ...makerOf(context) });
  if (!found || !isOpen(found, context)) throw notFound();
  return found;
}

/** Its next events, by day and id, behind one of them. */
export const readExported = (
  { fromDay, toDay }: Row<'UsageExport'>,
  behind: Event | null,
  { db }: RequestContext,
): Promise<Event[]> =>
  db.usageEvent.list({
    where: { day: { gte: fromDay, lte: toDay } },
    orderBy: { day: 'asc', id: 'asc' },
    past: behind === null ? undefined : { at: [behind.day, behind.id] },
    take: PAGE,
  });

const OPENED: keyof typeof record.actions & `${string}.opened` = 'usage_export.opened';

/** It is about to be read. */
export const noteUsageExportOpened = (id: string, context: RequestContext): Promise<void> =>
  noteOpening({ action: OPENED, id }, context);

/** It was read to its end. */
export const closeUsageExport = (id: string, { db }: RequestContext): Promise<void> =>
  noteRead(db.usageExport, id, db.now());

const COLUMNS = [
  ...(['id', 'day', 'metric', 'quantity', 'costMicros', 'occurredAt', 'recordedAt', 'late', 'reported'] as const),
  ...(['runId', 'agentId', 'createdById', 'keyId', 'provider', 'idempotencyKey', 'attributes'] as const),
  ...(['corrects', 'reason'] as const),
];

/** In the words of docs/usage.md. */
export const EVENT_LINES: Readonly<Record<UsageExportFormat, Lines<Event>>> = linesOf(COLUMNS, (event: Event) => ({
  ...event,
  quantity: Number(event.quantity),
  costMicros: Number(event.costMicros),
  occurredAt: event.occurredAt.toISOString(),
  recordedAt: event.recordedAt.toISOString(),
  attributes: event.attributes === null ? null : (JSON.parse(event.attributes) as unknown),
}));
