import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL } from '../../context/deployment.js';
import { idPrefix, newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { notFound } from '../../errors.js';
import { addDueWork, type DueKind } from '../../jobs/due-kind.js';
import { readActor } from '../../rights/actor.js';
import { codeOf } from '../../thrown.js';

const PREFIX = 'oex';

/** How long a link works, and how long it is remembered after that. */
const LINK_MS = 10 * 60_000;
const KEPT_MS = 24 * 3_600_000;

/** A link that is over is forgotten; that it was made and read stands in the record. */
export const LINK_LAPSES: DueKind<object> = {
  name: 'organization-export-lapses',
  payload: z.object({}),
  run: ({ subject }) => Promise.resolve({ settle: (db) => db.organizationExport.delete({ id: subject }) }),
};

/** Where a link leads. */
export const urlOf = (id: string, { organization, use }: RequestContext): string =>
  `${use(PUBLIC_URL)()}/organizations/${organization.organization.slug}/exports/${id}`;

/** Makes a link for the person who asks. @throws FORBIDDEN */
export function makeLink(context: RequestContext): Promise<Row<'OrganizationExport'>> {
  const { db, person } = context;
  return db.locked(async (inside) => {
    await readActor(inside, context, 'organization:export', true);
    const expiresAt = new Date(inside.now().getTime() + LINK_MS);
    const made = await inside.organizationExport.create({ id: newId(PREFIX), makerId: person.id, expiresAt });
    const dueAt = new Date(expiresAt.getTime() + KEPT_MS);
    await addDueWork(inside, LINK_LAPSES, { subject: made.id, payload: {}, dueAt });
    return made;
  });
}

/** @throws NOT_FOUND for anyone but whoever made it, once it was read, and once its time is over */
export async function assertOpen(id: string, { db, viewer }: RequestContext): Promise<void> {
  if (idPrefix(id) !== PREFIX) throw notFound(); // a path can hold what no text in the database can
  const found = await db.organizationExport.find({ id });
  const isTheirs = found !== null && found.makerId === viewer?.person?.id;
  if (!isTheirs || found.readAt !== null || found.expiresAt <= db.now()) throw notFound();
}

/** It was read to its end. */
export async function closeLink(id: string, { db }: RequestContext): Promise<void> {
  await db.organizationExport.update({ id, readAt: null }, { readAt: db.now() }).catch((error: unknown) => {
    if (codeOf(error) !== 'NOT_FOUND') throw error; // read twice at once
  });
}
