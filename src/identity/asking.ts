import { createHeldDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { FIND, type KeyRow } from './api-keys.js';
import type { ActiveMembership } from './person.js';
import { isLive, MEMBERSHIP, type MembershipRow, toMembership, withinBounds } from './find-person.js';

/** What is left of who asked when a request began. */
export interface StillAsking {
  /** Null where they are no active member any more. */
  readonly membership: ActiveMembership | null;
  /** Of the key that asks; null for a person. */
  readonly keyPermissions: readonly string[] | null;
}

/** Who asks, read once more, on the connection of the transaction that it is read in. */
export interface Asking {
  /** Null where the person is disabled, or their session over. */
  readPerson(person: { id: string; sessionId: string | null }, orgId: string): Promise<StillAsking | null>;
  /** Null where the key is over, or its owner. */
  readKey(id: string): Promise<StillAsking | null>;
}

const READ_PERSON = `
  select ${MEMBERSHIP} from person p
  left join session s on s.id = $3 and s.person_id = p.id and ${isLive('s')}
  left join membership m on m.org_id = $2 and m.user_id = p.id and m.status = 'ACTIVE' and ${withinBounds('m')}
  left join organization o on o.id = m.org_id
  where p.id = $1 and p.status = 'ACTIVE' and ($3::text is null or s.id is not null)`;

export function openAsking(pool: ScopedPool): Asking {
  const query = createHeldDirectoryQuery(pool);
  return {
    async readPerson({ id, sessionId }, orgId) {
      const [row] = await query<MembershipRow | (MembershipRow & { orgId: null })>(READ_PERSON, [id, orgId, sessionId]);
      return row ? { membership: row.orgId === null ? null : toMembership(row), keyPermissions: null } : null;
    },

    async readKey(id) {
      const [row] = await query<KeyRow>(FIND, [id, pool.clock.movedMs]);
      return row?.fault === null ? { membership: toMembership(row), keyPermissions: row.permissions } : null;
    },
  };
}

/** For whoever is read once more by the statement itself that they have done, in no transaction. */
export { whileAsRead } from '../data/connection/org-connection.js';
