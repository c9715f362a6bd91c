import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import type { OrganizationRole } from '../../generated/enums.js';

/** An invitation that somebody named who may act on it, and on nothing else there. */
export interface FoundInvitation {
  readonly orgId: OrgId;
  readonly invitationId: string;
  readonly organizationName: string;
  readonly organizationSlug: string;
  /** Whether the e-mail of the person who asks was ever proved to be theirs. */
  readonly emailVerified: boolean;
}

/** An invitation that its person can accept, in the name of a member who is still one. */
export interface WaitingInvitation extends FoundInvitation {
  readonly role: OrganizationRole;
  readonly invitedBy: string;
  readonly expiresAt: Date;
}

/** What waits for the address of a person, where it was proved to be theirs; what can be accepted longest comes first. */
export type ListWaiting = (personId: string) => Promise<WaitingInvitation[]>;

/** Whoever is invited to more is told of these, and has the mail of each. */
const MOST_WAITING = 20;

export function openWaiting(pool: ScopedPool): ListWaiting {
  const query = createDirectoryQuery(pool);
  return async (personId) => {
    const rows = await query<Omit<WaitingInvitation, 'orgId'> & { orgId: string }>(
      `select i.org_id as "orgId", i.id as "invitationId", o.name as "organizationName", o.slug as "organizationSlug",
         true as "emailVerified", m.role, by.name as "invitedBy", i.expires_at as "expiresAt"
       from person p join membership m on m.email = p.email and m.status = 'INVITED'
       join invitation i on i.org_id = m.org_id and i.pending_email = m.email and i.expires_at > $2
       join organization o on o.id = m.org_id and o.status = 'ACTIVE'
       join membership by on by.org_id = m.org_id and by.user_id = m.invited_by and by.status = 'ACTIVE'
       where p.id = $1 and p.email_verified_at is not null order by i.expires_at desc, i.id limit ${MOST_WAITING}`,
      [personId, pool.clock.now()],
    );
    return rows.map((row) => ({ ...row, orgId: brandOrgId(row.orgId) }));
  };
}

/** @param personId who asks; null when nobody is signed in */
export type FindInvitation = (secretHash: string, personId: string | null) => Promise<FoundInvitation | null>;

export function openInvitations(pool: ScopedPool): FindInvitation {
  const query = createDirectoryQuery(pool);
  return async (secretHash, personId) => {
    const [found] = await query<Omit<FoundInvitation, 'orgId'> & { orgId: string }>(
      `select s.org_id as "orgId", s.invitation_id as "invitationId", o.name as "organizationName",
         o.slug as "organizationSlug",
         exists (select from person p where p.id = $2 and p.email_verified_at is not null) as "emailVerified"
       from invitation_secret s join organization o on o.id = s.org_id where s.hash = $1`,
      [secretHash, personId],
    );
    return found ? { ...found, orgId: brandOrgId(found.orgId) } : null;
  };
}
