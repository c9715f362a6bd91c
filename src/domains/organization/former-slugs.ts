import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import { conflict, OrgateError } from '../../errors.js';
import { HELD_DAYS, LEADS_DAYS } from '../../identity/slugs.js';
import { openLapsedSlugs } from './outside.js';
import type { FormerSlugParent } from './parent.js';
import type { RequestContext } from '../../context/context.js';

const DAY_MS = 86_400_000;

/** More than anybody is called by in half a year, and too few to keep good names from others. */
const MOST_FORMER_SLUGS = 20;

const after = (instant: Date, days: number): Date => new Date(instant.getTime() + days * DAY_MS);

/** Until when it leads to its organization. */
export const leadsUntil = (givenUpAt: Date): Date => after(givenUpAt, LEADS_DAYS);

/** Until when nobody else may take it. */
export const heldUntil = (givenUpAt: Date): Date => after(givenUpAt, HELD_DAYS);

/** Those that nobody else may take, the one that was given up last first. */
export async function listFormerSlugs(db: OrganizationDb): Promise<FormerSlugParent[]> {
  const rows = await db.address.list({
    where: { kind: 'SLUG', givenUpAt: { gt: after(db.now(), -HELD_DAYS) } },
    orderBy: { givenUpAt: 'desc', name: 'asc' },
    take: MOST_FORMER_SLUGS,
  });
  return rows.flatMap(({ name: slug, givenUpAt }) => (givenUpAt ? [{ slug, givenUpAt }] : []));
}

/**
 * Has the organization called by another slug, which may be one that it had; the one until now leads to it for some time.
 *
 * @throws CONFLICT on `input.slug` when another has it or holds it, or when this one holds too many
 */
export async function takeSlug(db: LockedDb, slug: string, { outside }: RequestContext): Promise<void> {
  const isOwn = (await db.address.updateMany({ name: slug, kind: 'SLUG' }, { givenUpAt: null })) > 0;
  if (!isOwn) {
    if ((await listFormerSlugs(db)).length >= MOST_FORMER_SLUGS) {
      throw conflict(`An organization holds at most ${MOST_FORMER_SLUGS} former slugs: release one.`, 'input.slug');
    }
    await outside(openLapsedSlugs).free(slug);
    await db.address.create({ name: slug, kind: 'SLUG' }).catch((error: unknown) => {
      if (!(error instanceof OrgateError) || error.code !== 'CONFLICT') throw error;
      throw conflict('This slug is already taken.', 'input.slug');
    });
  }
  await db.address.update({ name: db.held.slug }, { givenUpAt: db.now() });
}
