import DataLoader from 'dataloader';
import { createDirectoryQuery } from '../data/connection/directory-query.js';
import { forAll, type ScopedPool } from '../data/connection/org-connection.js';
import { isBarred, isLive } from './find-person.js';

/** Who was let into an organization, and by what. */
export interface Standing {
  readonly orgId: string;
  /** The member: a person, or the owner of a key. */
  readonly userId: string;
  readonly sessionId: string | null;
  readonly keyId: string | null;
}

/** All that what somebody may rests on: whenever any of it changed, they are let in anew, or not. */
const STANDS_ON = `m.status, m.role, m.granted, m.withheld, m.joined_at, p.status, p.system_role, (${isLive('s')}),
  s.bound_org_id, k.permissions, k.revoked_at, k.expires_at > current_timestamp + $5 * interval '1 millisecond',
  o.status, o.slug, o.plan, o.entitlements, o.feature_flags, ${isBarred('m', 'o')}`;

const DIGEST = `
  select md5(row(${STANDS_ON})::text) as digest
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality as asked (org_id, user_id, session_id, key_id, place)
    left join membership m on m.org_id = asked.org_id and m.user_id = asked.user_id
    left join person p on p.id = asked.user_id
    left join session s on s.id = asked.session_id
    left join api_key k on k.org_id = asked.org_id and k.id = asked.key_id
    left join organization o on o.id = asked.org_id
  order by place`;

/** Whoever hears of something at the same moment is looked up together. */
const TOGETHER_MS = 5;
const MOST = 1000;

/** Gives a digest of what the rights of somebody rest on, by one statement for all who ask at once: two that are equal say that nothing changed. */
export function openStandings(pool: ScopedPool): (standing: Standing) => Promise<string> {
  const query = createDirectoryQuery(pool);
  const digests = new DataLoader<Standing, string>(
    async (all) => {
      const columns = [
        all.map(({ orgId }) => orgId),
        all.map(({ userId }) => userId),
        all.map(({ sessionId }) => sessionId),
        all.map(({ keyId }) => keyId),
      ];
      const rows = await forAll(() => query<{ digest: string }>(DIGEST, [...columns, pool.clock.movedMs]));
      return rows.map(({ digest }) => digest);
    },
    { cache: false, maxBatchSize: MOST, batchScheduleFn: (read) => void setTimeout(read, TOGETHER_MS) },
  );
  return (standing) => digests.load(standing);
}
