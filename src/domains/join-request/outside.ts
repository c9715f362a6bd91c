import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { translateDatabaseError } from '../../data/database-error.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import { domainOfEmail } from '../../dns-name.js';
import type { DomainJoining, JoinRequestStatus } from '../../generated/enums.js';

/** Who wants to join. */
export interface Joiner {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** The organization that a person may ask to join, or join. It holds the domain of their e-mail, and says so. */
export interface Joinable {
  /** Good for the person's own request and membership, and for nothing else. */
  readonly orgId: OrgId;
  readonly name: string;
  readonly slug: string;
  readonly domain: string;
  readonly joining: Exclude<DomainJoining, 'MANUAL'>;
  /** What became of their request; null before they asked. */
  readonly requestStatus: JoinRequestStatus | null;
}

/** Null where nobody verified the e-mail or holds the domain, joining is MANUAL, or the person is or was known there. */
export type FindJoinable = (person: Joiner) => Promise<Joinable | null>;

/** Whoever is known there, in whatever way, comes in by that; whoever was removed, once that was cleared. */
const BARS = `not (m.status = 'REMOVED' and m.may_rejoin)`;

const FIND_JOINABLE = `
  select o.id as "orgId", o.name, o.slug, d.name as domain, d.joining, r.status as "requestStatus"
  from person p join address a on a.name = $3 and a.kind = 'DOMAIN'
  join organization_domain d on d.org_id = a.org_id and d.name = a.name and d.status = 'VERIFIED'
  join organization o on o.id = a.org_id and o.status = 'ACTIVE'
  left join join_request r on r.org_id = a.org_id and r.person_id = $1
  where p.id = $1 and p.email = $2 and p.email_verified_at is not null and d.joining <> 'MANUAL'
    and not exists (select from membership m where m.org_id = a.org_id and m.user_id = $1 and ${BARS})
    and not exists (select from membership m where m.org_id = a.org_id and m.email = $2 and ${BARS})`;

type Found = Omit<Joinable, 'orgId'> & { readonly orgId: string };

export const openJoinable =
  (pool: ScopedPool): FindJoinable =>
  async ({ id, email }) => {
    const values = [id, email, domainOfEmail(email)];
    try {
      const { rows } = await inFrame({ role: 'orgate_directory' }, () =>
        pool.query<Found>({ text: FIND_JOINABLE, values }),
      );
      const [found] = rows;
      return found ? { ...found, orgId: brandOrgId(found.orgId) } : null;
    } catch (error) {
      throw translateDatabaseError(error);
    }
  };
