import type { Act } from '../data/connection/act.js';
import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { brandOrgId, newId, type OrgId } from '../data/id.js';
import { notFound } from '../errors.js';
import type { OrganizationStatus } from '../generated/enums.js';

/** A directory as its token names it; whoever has the token whose hash this is acts for it, in its organization only. */
export interface NamedDirectory {
  readonly orgId: OrgId;
  readonly name: string;
  readonly tokenHash: string;
  readonly organizationStatus: OrganizationStatus;
  readonly lastUsedAt: Date | null;
}

/** What a directory of people needs outside any organization. */
export interface ScimDirectories {
  find(id: string): Promise<NamedDirectory | null>;
  /**
   * The person with this e-mail address, made on first sight; nothing of a person that is there already changes. The
   * same statements either way. Call it only for addresses under a domain that the organization holds.
   */
  personOf(email: string, act: Act): Promise<{ id: string; email: string }>;
}

export function openScimDirectories(pool: ScopedPool): ScimDirectories {
  const query = createDirectoryQuery(pool);
  return {
    async find(id) {
      const [found] = await query<NamedDirectory>(
        `select d.org_id as "orgId", d.name, d.token_hash as "tokenHash", o.status as "organizationStatus",
           d.last_used_at as "lastUsedAt"
         from scim_directory d join organization o on o.id = d.org_id where d.id = $1`,
        [id],
      );
      return found ? { ...found, orgId: brandOrgId(found.orgId) } : null;
    },

    async personOf(email, act) {
      // A directory says that there is such an address; whose it is, and what they are called elsewhere, shows when someone
      // signs in with it.
      await query(
        `insert into person (id, email, name, email_verified_at) values ($1, $2, $3, null) on conflict (email) do nothing`,
        [newId('usr'), email, email.split('@')[0]],
        act,
      );
      const [person] = await query<{ id: string }>('select id from person where email = $1', [email]);
      if (!person) throw notFound();
      return { id: person.id, email };
    },
  };
}
