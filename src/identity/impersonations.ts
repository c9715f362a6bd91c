import { createDirectoryQuery, createHeldDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import type { SupportScope } from '../generated/enums.js';
import { isLive, MEMBERSHIP, type MembershipRow, beganSinceJoining, toMembership } from './find-person.js';
import type { ActiveMembership } from './person.js';

/** Whom a verified token says that somebody acts as, and who it is. */
export interface NamedImpersonation {
  readonly orgId: string;
  readonly id: string;
  readonly actorId: string;
  readonly userId: string;
}

/** Somebody who runs the deployment. */
export interface Administrator {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}

/**
 * Somebody who acts as a member, read in this request: they run the deployment, the member is active and does not, the
 * organization allows it, and it has not ended.
 */
export interface LiveImpersonation {
  readonly id: string;
  readonly by: Administrator;
  readonly reason: string;
  /** WRITE while a grant of that is in force. */
  readonly scope: SupportScope;
  readonly startedAt: Date;
  readonly expiresAt: Date;
}

export interface FoundImpersonation {
  readonly impersonation: LiveImpersonation;
  /** The member's, as it is now. */
  readonly membership: ActiveMembership;
  /** Whom the cookie names that came beside the token; null without one, and for one that is over. */
  readonly cookiePersonId: string | null;
}

/** Those who act as members, before the organization is entered. */
export interface Impersonations {
  /** Null once it has ended, for whatever reason. */
  find(named: NamedImpersonation, cookieHash: string | null): Promise<FoundImpersonation | null>;
}

const isInForce = (alias: string): string =>
  `${alias}.org_id = i.org_id and ${alias}.revoked_at is null and ${alias}.expires_at > t.now`;

/** By the four parts of its name, and by how many milliseconds the clock was moved. */
const FIND = `
  select i.id as "impersonationId", i.reason, i.expires_at as "expiresAt", i.created_at as "startedAt",
    a.id as "actorId", a.name as "actorName", a.email as "actorEmail",
    exists (select from support_access_grant w where ${isInForce('w')} and w.scope = 'WRITE') as "mayWrite",
    (select c.person_id from session c where c.cookie_hash = $6 and ${isLive('c')}) as "cookiePersonId", ${MEMBERSHIP}
  from (select current_timestamp + $5 * interval '1 millisecond' as now) t
    join impersonation i on i.org_id = $1 and i.id = $2 and i.actor_id = $3 and i.user_id = $4
    join person a on a.id = i.actor_id and a.status = 'ACTIVE' and a.system_role = 'SYSTEM_ADMIN'
    join person p on p.id = i.user_id and p.status = 'ACTIVE' and p.system_role <> 'SYSTEM_ADMIN'
    join membership m on m.org_id = i.org_id and m.user_id = i.user_id and m.status = 'ACTIVE'
      and ${beganSinceJoining('i.created_at', 'm')}
    -- Where its OWNERs cannot end it, since mutations are refused there, nobody looks in either.
    join organization o on o.id = i.org_id and o.status = 'ACTIVE'
    left join session s on s.id = i.session_id and ${isLive('s')}
  where i.ended_at is null and i.expires_at > t.now and (i.session_id is null or s.id is not null)
    and (o.support_access = 'READ' or (o.support_access = 'ON_GRANT'
      and exists (select from support_access_grant g where ${isInForce('g')})))`;

interface Found extends MembershipRow {
  impersonationId: string;
  reason: string;
  expiresAt: Date;
  startedAt: Date;
  actorId: string;
  actorName: string;
  actorEmail: string;
  mayWrite: boolean;
  cookiePersonId: string | null;
}

export const openImpersonations = (pool: ScopedPool): Impersonations => asking(createDirectoryQuery(pool), pool);

/** The same on the connection of the transaction that it is asked in. */
export const openHeldImpersonations = (pool: ScopedPool): Impersonations =>
  asking(createHeldDirectoryQuery(pool), pool);

const asking = (query: ReturnType<typeof createDirectoryQuery>, { clock }: ScopedPool): Impersonations => ({
  async find({ orgId, id, actorId, userId }, cookieHash) {
    const [row] = await query<Found>(FIND, [orgId, id, actorId, userId, clock.movedMs, cookieHash]);
    return row ? toFound(row) : null;
  },
});

const toFound = (row: Found): FoundImpersonation => ({
  impersonation: {
    id: row.impersonationId,
    by: { id: row.actorId, name: row.actorName, email: row.actorEmail },
    reason: row.reason,
    scope: row.mayWrite ? 'WRITE' : 'READ',
    startedAt: row.startedAt,
    expiresAt: row.expiresAt,
  },
  membership: toMembership(row),
  cookiePersonId: row.cookiePersonId,
});
