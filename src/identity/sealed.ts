import type { Act } from '../data/connection/act.js';
import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../data/id.js';

/** What the deployment keeps sealed, and whose secrets there are: for whoever replaces its secret keys. */
export interface Sealed {
  /** Organizations in the order of their ids, so many at most. */
  listOrganizations(behind: string, most: number): Promise<OrgId[]>;
  listSigningKeys(): Promise<{ readonly kid: string; readonly privateKey: string }[]>;
  /** Unless it was replaced, or dropped, meanwhile. @returns how many */
  replaceSigningKey(kid: string, before: string, after: string, act: Act): Promise<number>;
  /** Until when the last of those may be back who are on their way through an identity provider now; null where nobody is. */
  endOfSignIns(): Promise<Date | null>;
}

export function openSealed(pool: ScopedPool): Sealed {
  const query = createDirectoryQuery(pool);
  return {
    async listOrganizations(behind, most) {
      const rows = await query<{ id: string }>('select id from organization where id > $1 order by id limit $2', [
        behind,
        most,
      ]);
      return rows.map(({ id }) => brandOrgId(id));
    },
    listSigningKeys: () => query('select kid, private_key as "privateKey" from signing_key order by generation'),
    async replaceSigningKey(kid, before, after, act) {
      const rows = await query(
        'update signing_key set private_key = $3 where kid = $1 and private_key = $2 returning kid',
        [kid, before, after],
        act,
      );
      return rows.length;
    },
    async endOfSignIns() {
      const [row] = await query<{ last: Date | null }>(
        'select max(expires_at) as last from sign_in_attempt where expires_at > current_timestamp',
      );
      return row?.last ?? null;
    },
  };
}
