import type { RequestContext } from '../../context/context.js';
import { notFound } from '../../errors.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { asActor } from '../../rights/actor.js';
import { openHeldEntryWriter } from '../audit-entry/index.js';
import type { record } from './record.js';

const RELEASED: keyof typeof record.actions = 'organization.slug_released';

/**
 * Gives back a former slug before its time. It leads nowhere at once, and whoever comes first takes it.
 *
 * @throws NOT_FOUND for what is no former slug of this organization, whosever it is
 */
export async function releaseSlug(slug: string, context: RequestContext): Promise<OrganizationSummary> {
  return asActor(context, 'slug:release', async (db) => {
    const former = { name: slug, kind: 'SLUG', givenUpAt: { lte: db.now() } } as const;
    if ((await db.address.delete(former)) === 0) throw notFound();
    const { organization, act, outside } = context;
    const target = { targetType: 'organization', targetId: organization.orgId, targetName: db.held.name };
    const changes = { slug: [slug, null] } as const;
    await outside(openHeldEntryWriter)(organization.orgId, [
      { act, action: RELEASED, outcome: 'DONE', ...target, changes },
    ]);
    return db.held;
  });
}
