import {
  createDirectoryQuery,
  createHeldDirectoryQuery,
  type DirectoryQuery,
} from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { belongsOutside, isBarred } from './find-person.js';

/** Who of an organization belongs outside its set. */
export interface MembersOutside {
  /** Ids of persons, so many at the most, in the transaction that it is asked in. Where else they are it does not say. */
  list(orgId: string, most: number): Promise<string[]>;
}

/** Which of these members the organization keeps out, since it is for people who belong nowhere outside its set. */
export type BarredMembers = (orgId: string, userIds: readonly string[]) => Promise<ReadonlySet<string>>;

const LIST = `
  select m.user_id as "userId" from membership m join organization o on o.id = m.org_id
  where m.org_id = $1 and m.status in ('ACTIVE', 'SUSPENDED') and m.kind = 'PERSON' and ${belongsOutside('m', 'o')}
  order by m.email limit $2`;

export function openMembersOutside(pool: ScopedPool): MembersOutside {
  const query = createHeldDirectoryQuery(pool);
  return {
    async list(orgId, most) {
      const rows = await query<{ userId: string }>(LIST, [orgId, most]);
      return rows.map(({ userId }) => userId);
    },
  };
}

const LIST_BARRED = `
  select m.user_id as "userId" from membership m join organization o on o.id = m.org_id
  where m.org_id = $1 and m.user_id = any ($2::text[]) and ${isBarred('m', 'o')}`;

const asking =
  (query: DirectoryQuery): BarredMembers =>
  async (orgId, userIds) => {
    // Of whoever is asked for once more in a list the database would look once more.
    const each = [...new Set(userIds)];
    const rows = each.length === 0 ? [] : await query<{ userId: string }>(LIST_BARRED, [orgId, each]);
    return new Set(rows.map(({ userId }) => userId));
  };

export const openBarredMembers = (pool: ScopedPool): BarredMembers => asking(createDirectoryQuery(pool));

/** The same on the connection of the transaction that it is asked in. */
export const openHeldBarredMembers = (pool: ScopedPool): BarredMembers => asking(createHeldDirectoryQuery(pool));
