import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL } from '../../context/deployment.js';
import { idPrefix, newId } from '../../data/id.js';
import type { Row } from '../../data/organization/table.js';
import { notFound } from '../../errors.js';
import { addDueWork, type DueKind } from '../../jobs/due-kind.js';
import { assertRoomForLink, isOpen, KEPT_MS, linkTimes, noteRead } from '../../resource/link.js';
import { asActor } from '../../rights/actor.js';
import { noteOpening } from '../audit-entry/index.js';
import { beingPurged } from './outside.js';
import type { record } from './record.js';

const PREFIX = 'oex';

/** A link that is over is forgotten; that it was made and read stands in the record. */
export const LINK_LAPSES: DueKind<object> = {
  name: 'organization-export-lapses',
  payload: z.object({}),
  run: ({ subject }) => Promise.resolve({ settle: (db) => db.organizationExport.delete({ id: subject }) }),
};

/** Where a link leads. */
export const urlOf = (id: string, { organization, use }: RequestContext): string =>
  `${use(PUBLIC_URL)()}/organizations/${organization.organization.slug}/exports/${id}`;

/** Makes a link for the person who asks. @throws FORBIDDEN; CONFLICT once it is being purged; RATE_LIMITED where they have too many */
export function makeLink(context: RequestContext): Promise<Row<'OrganizationExport'>> {
  const { person } = context;
  return asActor(
    context,
    'organization:export',
    async (inside) => {
      if (inside.held.purgeBeganAt !== null) throw beingPurged();
      const maker = { makerId: person.id };
      await assertRoomForLink(inside, inside.organizationExport, maker);
      const times = linkTimes(context);
      const made = await inside.organizationExport.create({ ...maker, id: newId(PREFIX), ...times });
      const dueAt = new Date(times.expiresAt.getTime() + KEPT_MS);
      await addDueWork(inside, LINK_LAPSES, { subject: made.id, payload: {}, dueAt });
      return made;
    },
    'leaving',
  );
}

/** @throws NOT_FOUND for anyone but whoever made it, once it was read, and once its time is over; CONFLICT once the organization is being purged */
export async function assertOpen(id: string, context: RequestContext): Promise<void> {
  const { db, viewer } = context;
  if (idPrefix(id) !== PREFIX) throw notFound(); // a path can hold what no text in the database can
  const found = await db.organizationExport.find({ id });
  const isTheirs = found !== null && found.makerId === viewer?.person?.id;
  if (!isTheirs || !isOpen(found, context)) throw notFound();
  if ((await db.organization.get({})).purgeBeganAt !== null) throw beingPurged();
}

const OPENED: keyof typeof record.actions & `${string}.opened` = 'organization_export.opened';

/** It is about to be read. */
export const noteLinkOpened = (id: string, context: RequestContext): Promise<void> =>
  noteOpening({ action: OPENED, id }, context);

/** It was read to its end. */
export const closeLink = (id: string, { db }: RequestContext): Promise<void> =>
  noteRead(db.organizationExport, id, db.now());
