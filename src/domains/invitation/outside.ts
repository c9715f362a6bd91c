import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../../data/id.js';

/** The invitation that a secret was mailed for. Whoever has the secret may act on it, and on nothing else there. */
export interface FoundInvitation {
  readonly orgId: OrgId;
  readonly invitationId: string;
  readonly organizationName: string;
  readonly organizationSlug: string;
  /** Whether the e-mail of the person who asks was ever proved to be theirs. */
  readonly emailVerified: boolean;
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
