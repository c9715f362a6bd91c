import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import { leads } from '../../identity/slugs.js';

/** What the sign-in page says of an identity provider. */
export interface OfferedProvider {
  readonly id: string;
  readonly name: string;
}

/**
 * Which identity providers organizations have, as seen by someone who is nobody yet. How they are set up is read inside
 * the organization.
 */
export interface IdentityProviders {
  /** Those in use of the organization that this slug leads to, the oldest first; none when there is no such organization. */
  listOffered(slug: string): Promise<OfferedProvider[]>;
  /**
   * The organization of a provider in use. Whoever the provider then vouches for is let in there as its member or not
   * at all; until then the id serves to read the provider itself.
   */
  findOrganization(providerId: string): Promise<OrgId | null>;
}

export function openIdentityProviders(pool: ScopedPool): IdentityProviders {
  const query = createDirectoryQuery(pool);
  return {
    listOffered: (slug) =>
      query(
        `select p.id, p.name from address a join identity_provider p on p.org_id = a.org_id
         where a.name = $1 and ${leads('a', '$2')} and p.status = 'ACTIVE' order by p.id`,
        [slug, pool.clock.movedMs],
      ),

    async findOrganization(providerId) {
      const rows = await query<{ orgId: string }>(
        `select org_id as "orgId" from identity_provider where id = $1 and status = 'ACTIVE'`,
        [providerId],
      );
      return rows[0] ? brandOrgId(rows[0].orgId) : null;
    },
  };
}
