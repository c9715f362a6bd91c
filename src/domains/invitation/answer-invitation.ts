import type { RequestContext } from '../../context/context.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { OrgateError, orNotFound } from '../../errors.js';
import type { InvitationOutcome, OrganizationRole } from '../../generated/graphql.js';
import type { Person } from '../../identity/person.js';
import { DUE_WORK } from '../../jobs/due-work.js';
import type { DueWork } from '../../jobs/due-kind.js';
import type { Catalogue } from '../../permissions/catalogue.js';
import { assertServed } from '../../permissions/organization-status.js';
import { assertStillAsking } from '../../rights/actor.js';
import { assignmentsBroughtBack } from '../../rights/earlier-role-assignment.js';
import { isOpen, withdrawInvitation } from '../../rights/end-invitation.js';
import { enrolMember } from '../../rights/enrol-member.js';
import { effective, isWithinRights } from '../../rights/escalation.js';
import { hashSecret } from '../../secrets/secret.js';
import type { MembershipParent } from '../membership/parent.js';
import { notify } from '../notification/index.js';
import { listWaiting } from './list-waiting.js';
import { type FoundInvitation, openInvitations } from './outside.js';

/** By a secret that was mailed for it, or by its id, which leads only whom it waits for to it. */
export type NamedInvitation = { readonly secret: string } | { readonly waiting: string };

/** What came of it, for the person who answered. */
export interface InvitationAnswer {
  readonly outcome: InvitationOutcome;
  readonly membership: MembershipParent | null;
  readonly maskedEmail: string | null;
}

const answering = (outcome: InvitationOutcome, maskedEmail: string | null = null): InvitationAnswer => ({
  outcome,
  membership: null,
  maskedEmail,
});

/** The invitation as it is now. It was sent to the viewer's verified address. */
interface Asked {
  readonly db: LockedDb;
  readonly invitation: Row<'Invitation'>;
}

/** What whoever follows the link may know before they answer. */
export interface Offer {
  readonly organization: { readonly name: string; readonly slug: string; readonly hasProvider: boolean };
  /** Null where whoever it was is no member any more. */
  readonly invitedBy: string | null;
  readonly role: OrganizationRole;
  readonly maskedEmail: string;
  readonly expiresAt: Date;
}

/** What the link of an invitation leads to, for whoever follows it. */
export interface FollowedInvitation {
  /** Null once it was answered or taken back: what the organization is called since is not for whoever kept the link. */
  readonly offer: Offer | null;
  /** What stands between the viewer and it, or PENDING; null while nobody is signed in. */
  readonly answer: InvitationAnswer | null;
}

/** Changes nothing. @throws NOT_FOUND for a secret that was never sent, and where none of this id waits for the viewer */
export async function followInvitation(named: NamedInvitation, context: RequestContext): Promise<FollowedInvitation> {
  const found = await findInvitation(named, context);
  const db = context.deployment.organizationDb(found.orgId, context.act);
  const invitation = await db.invitation.get({ id: found.invitationId });
  const offer = await findOffer(db, found, invitation);
  if (!context.viewer?.person) return { offer, answer: null };
  const outcome = isOpen(invitation, db.now()) ? 'PENDING' : outcomeOf(invitation);
  return { offer, answer: notFor(context.person, found, invitation) ?? answering(outcome) };
}

async function findOffer(
  db: OrganizationDb,
  { organizationName: name, organizationSlug: slug }: FoundInvitation,
  { status, email, expiresAt }: Row<'Invitation'>,
): Promise<Offer | null> {
  const pending = status === 'PENDING' ? await db.membership.find({ email, status: 'INVITED' }) : null;
  if (!pending) return null;
  const inviter = await db.membership.find({ userId: pending.invitedBy ?? '', status: 'ACTIVE' });
  const hasProvider = (await db.identityProvider.count({ status: 'ACTIVE' })) > 0;
  return {
    organization: { name, slug, hasProvider },
    invitedBy: inviter?.name ?? null,
    role: pending.role,
    maskedEmail: masked(email),
    expiresAt,
  };
}

/**
 * Makes the viewer a member, where it was sent to their verified address. What they become was granted by
 * whoever invited them, and only while that person still may.
 *
 * @throws NOT_FOUND as `followInvitation`; FORBIDDEN in one that is not active; CONFLICT of `enrolMember`
 */
export async function acceptInvitation(named: NamedInvitation, context: RequestContext): Promise<InvitationAnswer> {
  const { person } = context;
  const found = await findInvitation(named, context);
  const answer = await asInvited(found, context, async ({ db, invitation }) => {
    assertServed(db.held);
    if (!isOpen(invitation, db.now())) return outcomeOf(invitation);
    const pending = await db.membership.find({ email: invitation.email, status: 'INVITED' });
    if (!pending || !(await isStillGranted(db, pending, person, context.catalogue))) {
      await withdrawInvitation(db, invitation, 'REVOKED');
      return 'REVOKED';
    }
    await enrolMember(db, person, pending, { reactivateRemoved: true });
    await tellInviter(db, found, { invitation, pending }, 'accepted', context);
    return 'ACCEPTED';
  });
  if (answer.outcome !== 'ACCEPTED') return answer;
  const joined = await context.registry.findMembership(context.sessionScope, found.orgId);
  return { ...answer, membership: joined };
}

/** Turns an invitation down. @throws NOT_FOUND as `followInvitation` */
export async function declineInvitation(named: NamedInvitation, context: RequestContext): Promise<InvitationAnswer> {
  const found = await findInvitation(named, context);
  return asInvited(found, context, async ({ db, invitation }) => {
    if (!isOpen(invitation, db.now())) return outcomeOf(invitation);
    const pending = await db.membership.find({ email: invitation.email, status: 'INVITED' });
    await withdrawInvitation(db, invitation, 'DECLINED');
    if (pending) await tellInviter(db, found, { invitation, pending }, 'declined', context);
    return 'DECLINED';
  });
}

async function tellInviter(
  db: LockedDb,
  { orgId }: FoundInvitation,
  { invitation, pending }: { readonly invitation: Row<'Invitation'>; readonly pending: Row<'Membership'> },
  answer: 'accepted' | 'declined',
  { use }: RequestContext,
): Promise<void> {
  if (pending.invitedBy === null) return;
  const subject = `${invitation.email} ${answer} your invitation to ${db.held.name}`;
  const news = { kind: 'INVITATION', targetId: invitation.id, letter: { subject, parts: [`${subject}.`] } } as const;
  await notify(db, orgId, { userIds: [pending.invitedBy] }, news, use);
}

/** How long nobody is told again that someone wants a new invitation. */
const TOLD_FOR_MS = 24 * 3_600_000;

/**
 * Tells whoever sent an expired or declined invitation, or an OWNER where they have gone, that a new one is wanted.
 *
 * @throws NOT_FOUND as `followInvitation`
 */
export async function requestNewInvitation(named: NamedInvitation, context: RequestContext): Promise<InvitationAnswer> {
  const found = await findInvitation(named, context);
  let mail: DueWork[] = [];
  const answer = await asInvited(found, context, async ({ db, invitation }) => {
    if (isOpen(invitation, db.now())) return 'PENDING';
    const { id, email, status, renewalRequestedAt: told } = invitation;
    const pending = await db.membership.find({ email });
    if (pending?.status === 'ACTIVE') return 'ALREADY_ACCEPTED';
    if (status === 'ACCEPTED' || status === 'REVOKED') return outcomeOf(invitation);
    if (told && told.getTime() > db.now().getTime() - TOLD_FOR_MS) return 'REQUESTED';
    await db.invitation.update({ id }, { renewalRequestedAt: db.now() });
    const isAsked = { kind: 'PERSON', status: 'ACTIVE' } as const;
    const inviter = await db.membership.find({ ...isAsked, userId: pending?.invitedBy ?? '' });
    const { userId } = inviter ?? (await db.membership.get({ ...isAsked, role: 'OWNER' }));
    const subject = `${email} asks for a new invitation to ${db.held.name}`;
    const letter = { subject, parts: [`${subject}. To send one, invite them again.`] };
    const news = { kind: 'INVITATION', targetId: id, letter } as const;
    mail = await notify(db, found.orgId, { userIds: [userId] }, news, context.use);
    return 'REQUESTED';
  });
  for (const each of mail) context.use(DUE_WORK).dispatch(each);
  return answer;
}

async function findInvitation(named: NamedInvitation, context: RequestContext): Promise<FoundInvitation> {
  const { viewer, outside } = context;
  const person = viewer?.person ?? null;
  if ('waiting' in named) {
    const waiting = person ? await listWaiting(outside, context.sessionScope) : [];
    return orNotFound(waiting.find(({ invitationId }) => invitationId === named.waiting));
  }
  const found = orNotFound(await outside(openInvitations)(hashSecret(named.secret), person?.id ?? null));
  const boundOrgId = viewer?.session.boundOrgId ?? null;
  if (boundOrgId !== null && boundOrgId !== found.orgId) {
    throw new OrgateError('FORBIDDEN', 'You signed in to one organization only; sign in as yourself to join another.');
  }
  return found;
}

/** Acts on an invitation where it was sent to the viewer. */
async function asInvited(
  found: FoundInvitation,
  context: RequestContext,
  answer: (asked: Asked) => Promise<InvitationOutcome>,
): Promise<InvitationAnswer> {
  const { person, deployment, act } = context;
  // Until they joined, the organization knows them by the address that it invited.
  return deployment.organizationDb(found.orgId, { ...act, name: person.email }).locked(async (db) => {
    await assertStillAsking(db, context);
    if (db.held.status === 'PENDING_DELETION') assertServed(db.held);
    const invitation = await db.invitation.get({ id: found.invitationId });
    return notFor(person, found, invitation) ?? answering(await answer({ db, invitation }));
  });
}

/** Enough for whoever has several addresses to know which. */
const masked = (email: string): string => email.replace(/(?<=^.).*(?=@)/u, '***');

/** Why an invitation is none of this person's; null where it was sent to their verified address. */
function notFor(person: Person, found: FoundInvitation, { email }: Row<'Invitation'>): InvitationAnswer | null {
  if (email !== person.email) {
    return answering('EMAIL_MISMATCH', masked(email));
  }
  return found.emailVerified ? null : answering('EMAIL_UNVERIFIED');
}

/** What to say of one that cannot be accepted any more. */
const outcomeOf = ({ status }: Row<'Invitation'>): InvitationOutcome =>
  (({ PENDING: 'EXPIRED', ACCEPTED: 'ALREADY_ACCEPTED', REVOKED: 'REVOKED', DECLINED: 'DECLINED' }) as const)[status];

/**
 * Whether whoever granted this membership to whoever accepts it still may: nobody grants more than they hold, also not by having
 * left, nor brings back whom they could not have removed.
 */
export async function isStillGranted(
  db: LockedDb,
  pending: Row<'Membership'>,
  person: Pick<Person, 'id' | 'email'>,
  catalogue: Catalogue,
): Promise<boolean> {
  const inviter = await db.membership.find({ userId: pending.invitedBy ?? '', status: 'ACTIVE' });
  if (!inviter || !effective(catalogue, inviter).has('member:invite')) return false;
  // Invited by another address, they may have a removal behind them that this one knows nothing of.
  return isWithinRights(catalogue, inviter, ...(await assignmentsBroughtBack(db, person)));
}
