import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL } from '../../context/deployment.js';
import { idPrefix, newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { notFound } from '../../errors.js';
import { addDueWork, type DueKind } from '../../jobs/due-kind.js';
import type { AuditEntryFilter, AuditExportFormat } from '../../generated/graphql.js';
import { assertRoomForLink, isOpen, KEPT_MS, linkTimes, noteRead } from '../../resource/link.js';
import { RECORD } from '../../resource/record.js';
import { assertStillAsking } from '../../rights/actor.js';
import { parseAction } from './actions.js';
import { noteOpening } from './note-opening.js';
import { readHead } from './read-chain.js';
import type { record } from './record.js';
import { type EntryFilter, whichEntries } from './which-entries.js';

const EXPORT = 'exp';

/** A link that is over is forgotten; that it was made, of what, and that it was read stands in the record. */
export const EXPORT_LAPSES: DueKind<object> = {
  name: 'audit-export-lapses',
  payload: z.object({}),
  run: ({ subject }) => Promise.resolve({ settle: (db) => db.auditExport.delete({ id: subject }) }),
};

/** Where a link leads. */
export const urlOf = (id: string, { organization, use }: RequestContext): string =>
  `${use(PUBLIC_URL)()}/organizations/${organization.organization.slug}/audit/exports/${id}`;

/** Makes a link for whoever asks. @throws BAD_USER_INPUT at `input.filter.action`; RATE_LIMITED where they have too many */
export async function createExport(
  { format, filter }: { format: AuditExportFormat; filter?: AuditEntryFilter | null },
  context: RequestContext,
): Promise<Row<'AuditExport'>> {
  const { db, act, use } = context;
  parseAction(use(RECORD), filter?.action, 'input.filter.action');
  const head = await readHead(db);
  const given = Object.entries(filter ?? {}).filter(([, value]) => value != null);
  const maker = { makerKind: act.kind, makerId: act.id ?? '' };
  return db.locked(async (tx) => {
    await assertStillAsking(tx, context);
    await assertRoomForLink(tx, tx.auditExport, maker);
    const times = linkTimes(context);
    const made = await tx.auditExport.create({
      ...maker,
      id: newId(EXPORT),
      format,
      filter: Object.fromEntries(
        given.map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]),
      ),
      lastSequence: head?.sequence ?? 0n,
      ...times,
    });
    const dueAt = new Date(times.expiresAt.getTime() + KEPT_MS);
    await addDueWork(tx, EXPORT_LAPSES, { subject: made.id, payload: {}, dueAt });
    return made;
  });
}

/** What a link leads to. */
export interface OpenedExport {
  readonly id: string;
  readonly format: AuditExportFormat;
  readonly last: number;
  readonly where: EntryFilter;
}

/** Opens a link for whoever made it. @throws NOT_FOUND for anyone else, once it was read, and once its time is over */
export async function openExport(id: string, context: RequestContext): Promise<OpenedExport> {
  const { db, act } = context;
  if (idPrefix(id) !== EXPORT) throw notFound(); // a path can hold what no text in the database can
  const found = await db.auditExport.find({ id });
  const isTheirs = found?.makerKind === act.kind && found.makerId === act.id;
  if (!found || !isTheirs || !isOpen(found, context)) throw notFound();
  const { format, lastSequence, filter } = found;
  return { id, format, last: Number(lastSequence), where: whichEntries(toFilter(filter)) };
}

/** As `exportAudit` keeps it. */
function toFilter(kept: Row<'AuditExport'>['filter']): AuditEntryFilter {
  const { from, before, ...same } = kept as Omit<AuditEntryFilter, 'from' | 'before'> & {
    from?: string;
    before?: string;
  };
  return { ...same, ...(from && { from: new Date(from) }), ...(before && { before: new Date(before) }) };
}

const OPENED: keyof typeof record.actions & `${string}.opened` = 'audit_export.opened';

/** It is about to be read. */
export const noteExportOpened = (id: string, context: RequestContext): Promise<void> =>
  noteOpening({ action: OPENED, id }, context);

/** It was read to its end. */
export const closeExport = (id: string, { db }: RequestContext): Promise<void> =>
  noteRead(db.auditExport, id, db.now());
