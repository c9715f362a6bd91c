import type { OrganizationDb } from '../data/organization-db.js';
import type { Row } from '../data/table.js';
import { conflict } from '../errors.js';
import { assertSeatFree, type Standing } from './change-membership.js';
import { endInvitation, isOpen } from './end-invitation.js';

/** Whom to enrol. The e-mail was verified: it is what finds the invitation that waits for them. */
export interface Enrolled {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

export interface EnrolOptions {
  /** As `lockOrganization` read it. */
  readonly seatLimit: number | null;
  /** Whether who was removed comes back; only where someone of the organization asked them to. */
  readonly reactivateRemoved: boolean;
}

/**
 * Makes a person an active member, inside a transaction that holds the organization's lock. Whoever is active already
 * stays as they are. An INVITED membership of the same e-mail becomes theirs, which has a made-up user id until then, and
 * its invitation counts as accepted. Who may give this standing is for the caller to have checked.
 *
 * @throws CONFLICT when they are suspended, or were removed and are not to come back; when someone else is known here
 *   by this e-mail; when every seat is taken
 */
export async function enrolMember(
  db: OrganizationDb,
  person: Enrolled,
  standing: Standing,
  { seatLimit, reactivateRemoved }: EnrolOptions,
): Promise<Row<'Membership'>> {
  const own = await db.membership.find({ userId: person.id });
  const named = own?.email === person.email ? own : await db.membership.find({ email: person.email });
  if (own?.status === 'SUSPENDED') throw conflict('This membership is suspended.');
  if (own?.status === 'REMOVED' && !reactivateRemoved) throw conflict('This person was removed.');
  // What nobody has joined yet is a place kept for an address. Any other row has its own person behind it.
  const isOther = named !== null && named !== own;
  const isPlace = isOther && named.joinedAt === null && (named.status === 'INVITED' || named.status === 'REMOVED');
  if (own?.status === 'ACTIVE' && !isPlace) return own;
  if (isOther && !isPlace) throw conflict('Someone else is known here by this e-mail.');
  const invitation = await db.invitation.find({ pendingEmail: person.email });
  if (own?.status !== 'ACTIVE' && !(invitation && isOpen(invitation))) await assertSeatFree(db, seatLimit);
  if (invitation) await endInvitation(db, invitation, 'ACCEPTED');

  const { role, granted, withheld } = standing;
  const joined = { role, granted, withheld, status: 'ACTIVE', joinedAt: new Date(), mayRejoin: false };
  if (!own && named) return db.membership.update({ userId: named.userId }, { ...joined, userId: person.id });
  if (!own) {
    return db.membership.create({ ...joined, userId: person.id, email: person.email, name: person.name });
  }
  if (isPlace) await db.membership.update({ userId: named.userId }, { status: 'REMOVED' });
  if (own.status === 'ACTIVE') return own;
  return db.membership.update({ userId: person.id }, joined);
}
