import type { LockedDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { conflict } from '../errors.js';
import { ended, hasJoined, joined } from './earlier-role-assignment.js';
import { endEarlierStay } from './end-earlier-stay.js';
import { endInvitation, isOpen } from './end-invitation.js';
import type { RoleAssignment } from './escalation.js';
import { assertSeatFree } from './seats.js';

/** Whom to enrol. The e-mail was verified: it is what finds the invitation that waits for them. */
export interface Enrolled {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

export interface EnrolOptions {
  /**
   * Whether who was removed comes back; only where someone of the organization asked them to. That an invitation waits
   * for them is not enough: it has to be open, and taken.
   */
  readonly reactivateRemoved: boolean;
}

/**
 * The one way to become an active member, and the one way back for who was: makes a person one. Whoever is active already
 * stays as they are. An INVITED membership of the same e-mail becomes theirs, which has a made-up user id until then, and
 * its invitation counts as accepted. They hold this assignment and nothing of an earlier one, whose keys, sessions and
 * invitations stay ended. Who may give it is for the caller to have checked.
 *
 * @throws CONFLICT when they are suspended, or were removed and are not to come back; when someone else is known here
 *   by this e-mail; when every seat is taken
 */
export async function enrolMember(
  db: LockedDb,
  person: Enrolled,
  assignment: RoleAssignment,
  { reactivateRemoved }: EnrolOptions,
): Promise<Row<'Membership'>> {
  const own = await db.membership.find({ userId: person.id });
  const named = own?.email === person.email ? own : await db.membership.find({ email: person.email });
  if (own?.status === 'SUSPENDED') throw conflict('This membership is suspended.');
  const isBack = own?.status === 'REMOVED' || own?.status === 'INVITED';
  if (isBack && !reactivateRemoved) throw conflict('This person was removed.');
  // What nobody has joined yet is pending for an address. Any other row has its own person behind it.
  const isOther = named !== null && named !== own;
  const isPending = isOther && !hasJoined(named) && (named.status === 'INVITED' || named.status === 'REMOVED');
  if (own?.status === 'ACTIVE' && !isPending) return own;
  if (isOther && !isPending) throw conflict('Someone else is known here by this e-mail.');
  // One may wait at the e-mail they come with, and another at the one they are known by here.
  const emails = [person.email, own?.email ?? person.email];
  const page = { orderBy: { id: 'asc' }, take: emails.length } as const;
  const invitations = await db.invitation.list({ where: { pendingEmail: { in: emails } }, ...page });
  if (own?.status !== 'ACTIVE' && !invitations.some((each) => isOpen(each, db.now()))) await assertSeatFree(db);
  for (const invitation of invitations) await endInvitation(db, invitation, 'ACCEPTED');

  const anew = joined(assignment, db.now());
  if (!own && named) return db.membership.update({ userId: named.userId }, { ...anew, userId: person.id });
  if (!own) {
    return db.membership.create({ ...anew, userId: person.id, email: person.email, name: person.name });
  }
  if (isPending) await db.membership.update({ userId: named.userId }, ended(named));
  if (own.status === 'ACTIVE') return own;
  await endEarlierStay(db, person.id);
  return db.membership.update({ userId: person.id }, anew);
}
