import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { notFound } from '../../errors.js';
import { openSessions } from '../../identity/sessions.js';
import { isOpen } from '../../rights/end-invitation.js';
import { pendingOf } from '../../rights/leave-behind.js';
import { MAX_PROVIDERS } from '../identity-provider/index.js';
import { type InvitationParent, withMemberships } from '../invitation/parent.js';
import { MAX_DIRECTORIES } from '../scim-directory/index.js';
import type { MemberRemovalPreviewParent } from './parent.js';

const KEYS_SHOWN = 100;

/** @throws NOT_FOUND without such a member */
export async function previewMemberRemoval(
  userId: string,
  { db }: RequestContext,
): Promise<MemberRemovalPreviewParent> {
  const found = await db.membership.find({ userId, kind: 'PERSON' });
  if (!found || found.status === 'REMOVED') throw notFound();
  return { membership: found };
}

/** Keys that work, by whose they are: the member's own, or those of service accounts that the member made. */
export async function listWorkingKeys(
  { membership: { userId, joinedAt } }: MemberRemovalPreviewParent,
  whose: 'own' | 'service accounts',
  { db }: RequestContext,
): Promise<Row<'ApiKey'>[]> {
  const isOwn = whose === 'own';
  // Who is INVITED has not joined, and what they made before does not work.
  if (isOwn && !joinedAt) return [];
  return db.apiKey.list({
    where: {
      // Of an earlier stay, they do not work.
      ...(isOwn && joinedAt
        ? { ownerId: userId, createdAt: { gte: joinedAt } }
        : { createdById: userId, ownerId: { not: userId } }),
      revokedAt: null,
      expiresAt: { gt: db.now() },
    },
    orderBy: { id: 'desc' },
    take: KEYS_SHOWN,
  });
}

export async function listInvitationsSent(
  { membership: { userId } }: MemberRemovalPreviewParent,
  context: RequestContext,
): Promise<InvitationParent[]> {
  const pending = await pendingOf(context.db, userId);
  const invitations = await context.db.invitation.list({
    where: { pendingEmail: { in: pending.map(({ email }) => email) } },
    orderBy: { id: 'desc' },
    take: pending.length,
  });
  return withMemberships(
    invitations.filter((each) => isOpen(each, context.db.now())),
    context,
  );
}

/** Directories whose token was shown to the member: it works until another replaces it. */
export const listDirectories = (
  { membership: { userId } }: MemberRemovalPreviewParent,
  { db }: RequestContext,
): Promise<Row<'ScimDirectory'>[]> =>
  db.scimDirectory.list({ where: { tokenMadeBy: userId }, orderBy: { id: 'asc' }, take: MAX_DIRECTORIES });

/**
 * Providers that the member gave what they are believed by, or an OIDC issuer, which stays its own. An OWNER may have made
 * any of those from before it was kept who did.
 */
export async function listProviders(
  { membership: { userId, role } }: MemberRemovalPreviewParent,
  { db }: RequestContext,
): Promise<Row<'IdentityProvider'>[]> {
  const providers = await db.identityProvider.list({ where: {}, orderBy: { id: 'asc' }, take: MAX_PROVIDERS });
  return providers.filter(({ kind, createdBy, keyedBy }) => {
    const makers = kind === 'OIDC' ? [createdBy, keyedBy] : [keyedBy];
    return makers.includes(userId) || (role === 'OWNER' && makers.includes(null));
  });
}

/** Sessions that the organization's own provider signed in. */
export const countBoundSessions = (
  { membership: { userId } }: MemberRemovalPreviewParent,
  { outside, organization: { orgId } }: RequestContext,
): Promise<number> => outside(openSessions).count({ personId: userId, boundOrgId: orgId });

/** Requests to join that wait, where the member may decide them. */
export async function countRequestsWaiting(
  { membership }: MemberRemovalPreviewParent,
  { db, catalogue }: RequestContext,
): Promise<number> {
  const mayDecide =
    membership.status === 'ACTIVE' &&
    catalogue.effective(membership.role, membership.granted, membership.withheld).has('member:invite');
  return mayDecide ? db.joinRequest.count({ status: 'PENDING' }) : 0;
}
