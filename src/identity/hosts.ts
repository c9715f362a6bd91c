import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../data/id.js';
import type { OrganizationStanding, OrganizationSummary } from './person.js';
import { organizationAt } from './slugs.js';

/** The organization that a host leads to, whoever asks: that somebody may enter it, this does not say. */
export interface HostedOrganization extends Pick<OrganizationSummary, 'name' | 'slug' | 'status'> {
  readonly orgId: OrgId;
  readonly standing: OrganizationStanding;
  /** As they are kept: how it looks is shown before anybody is known. */
  readonly settings: unknown;
}

type Row = Omit<HostedOrganization, 'orgId' | 'standing'> & OrganizationStanding & { readonly orgId: string };

/** @param name what `Hosts` reads from a host: a slug, or a whole domain */
export type FindHost = (name: string) => Promise<HostedOrganization | null>;

/** One read by the key of what is unique across organizations; the same for a name that nobody has. */
export function openHosts(pool: ScopedPool): FindHost {
  const query = createDirectoryQuery(pool);
  return async (name) => {
    const [row] = await query<Row & object>(
      `select o.id as "orgId", o.name, o.slug, o.status, o.plan, o.entitlements, o.feature_flags as "featureFlags",
         o.settings
       from organization o where o.id = ${organizationAt('$1', '$2')}`,
      [name, pool.clock.movedMs],
    );
    if (!row) return null;
    const { orgId, plan, entitlements, featureFlags, ...summary } = row;
    return { ...summary, orgId: brandOrgId(orgId), standing: { plan, entitlements, featureFlags } };
  };
}
