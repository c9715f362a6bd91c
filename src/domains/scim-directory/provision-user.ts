import { newId } from '../../data/id.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { domainOfEmail } from '../../dns-name.js';
import { badInput, conflict } from '../../errors.js';
import { assignmentByDirectory } from '../../rights/directory-role.js';
import { ended } from '../../rights/earlier-role-assignment.js';
import { enrolMember } from '../../rights/enrol-member.js';
import { endJoinRequest, withdrawInvitationsOf } from '../../rights/leave-behind.js';
import { assertOwnerStays } from '../../rights/owners.js';
import { asDirectory, type DirectoryAtWork } from './as-directory.js';
import { describe, type DirectoryUser, keep, type UserMembership } from './directory-user.js';

/** A directory at work, in its own organization. */
export interface DirectoryContext extends DirectoryAtWork {
  /** See ScimDirectories. */
  readonly personOf: (email: string) => Promise<{ id: string; email: string }>;
  /** Ends what the organization's own provider signed this person in to. */
  readonly endSessions: (personId: string) => Promise<unknown>;
}

export interface ProvisionedUser {
  readonly row: Row<'ScimUser'>;
  readonly membership: UserMembership;
}

/**
 * Makes someone a member on their directory's word: only under an e-mail domain that the organization holds, within its
 * seats, and only who is no member by other means. Whoever was removed by people of the organization, or by another
 * directory, stays out until that is cleared, also while an invitation waits for them, which is theirs to accept; whom a directory ended itself it may
 * bring back.
 *
 * @throws BAD_USER_INPUT; CONFLICT on `userName` for someone who is there already
 */
export async function createUser(user: DirectoryUser, context: DirectoryContext): Promise<ProvisionedUser> {
  const { db, directoryId } = context;
  const { active, row: described, member } = keep(user);
  await assertDomainHeld(db, member.email);
  const { id: userId } = await context.personOf(member.email);
  return asDirectory(context, async (tx) => {
    // A domain may be given up while this waits.
    await assertDomainHeld(tx, member.email);
    const before = await tx.membership.find({ userId });
    const known = await tx.scimUser.find({ userId });
    await assertNameFree(tx, directoryId, described.userName);
    if (before?.status === 'ACTIVE' || before?.status === 'SUSPENDED') {
      throw conflict('This person is a member already.', 'userName');
    }
    const isOwn = known?.directoryId === directoryId;
    // Who was another directory's is in none of its groups any more.
    if (known && !isOwn) await tx.scimGroupMember.delete({ scimUserId: known.id });
    await enrolMember(
      tx,
      { id: userId, ...member },
      await assignmentByDirectory(tx, { directoryId, scimUserId: known?.id ?? null }),
      { reactivateRemoved: before?.mayRejoin === true || (isOwn && known.leftAs === 'REMOVED') },
    );
    if (before && before.email !== member.email) await changePlaces(tx, before, member.email);
    const standing = active ? { leftAs: null } : ({ leftAs: 'SUSPENDED' } as const);
    const membership = await tx.membership.update({ userId }, { ...member, ...(!active && { status: 'SUSPENDED' }) });
    const data = { ...described, ...standing, directoryId };
    const row = known
      ? await tx.scimUser.update({ id: known.id }, data)
      : await tx.scimUser.create({ ...data, id: newId('scu'), userId });
    return { row, membership };
  });
}

/**
 * Changes how a directory describes one of its people, and ends or resumes their membership with it.
 *
 * @throws NOT_FOUND; BAD_USER_INPUT; LAST_OWNER; CONFLICT when they are to resume what people of the organization ended,
 *   and on `emails` while an invitation waits for them or where someone else has the address
 */
export async function updateUser(
  id: string,
  change: (before: DirectoryUser) => DirectoryUser,
  context: DirectoryContext,
): Promise<ProvisionedUser> {
  const { directoryId, endSessions } = context;
  const updated = await asDirectory(context, async (tx) => {
    const { row, membership } = await getUser(id, { db: tx, directoryId });
    const before = describe(row, membership);
    const { active, row: described, member } = keep(change(before));
    if (described.userName !== row.userName) await assertNameFree(tx, directoryId, described.userName);
    const { userId } = row;
    if (member.email !== membership.email) {
      // It is by the e-mail that an invitation, the membership it leads to and what stands behind both find one another.
      if (membership.status === 'INVITED') {
        throw conflict(
          'An invitation waits at their e-mail here, which changes once that is answered or revoked.',
          'emails',
        );
      }
      await assertDomainHeld(tx, member.email);
      if (await tx.membership.find({ email: member.email })) {
        throw conflict('Someone else is known here by this e-mail.', 'emails');
      }
    }
    if (active && !before.active) {
      const isCleared = membership.status === 'REMOVED' && membership.mayRejoin;
      if (row.leftAs !== membership.status && !isCleared) {
        throw conflict('People of the organization ended this membership; only they can resume it.');
      }
      await assertDomainHeld(tx, member.email);
      if (isCleared)
        await enrolMember(
          tx,
          { id: userId, ...member },
          await assignmentByDirectory(tx, { directoryId, scimUserId: id }),
          { reactivateRemoved: true },
        );
    }
    const status = active ? 'ACTIVE' : before.active ? 'SUSPENDED' : membership.status;
    await assertOwnerStays(tx, membership, { ...membership, status });
    const leftAs = active ? null : before.active ? 'SUSPENDED' : row.leftAs;
    return {
      membership: await tx.membership.update({ userId }, { ...member, status }),
      row: await tx.scimUser.update({ id }, { ...described, leftAs }),
    };
  });
  if (updated.membership.status !== 'ACTIVE') await endSessions(updated.row.userId);
  return updated;
}

/**
 * Ends a membership for good, as far as the directory goes, and forgets what it said of the person.
 *
 * @throws NOT_FOUND; LAST_OWNER
 */
export async function deleteUser(id: string, context: DirectoryContext): Promise<void> {
  const { directoryId, endSessions } = context;
  const { userId } = await asDirectory(context, async (tx) => {
    const { row, membership } = await getUser(id, { db: tx, directoryId });
    const isTheirs = membership.status === 'ACTIVE' || membership.status === row.leftAs;
    if (isTheirs) {
      await assertOwnerStays(tx, membership, { ...membership, status: 'REMOVED' });
      await withdrawInvitationsOf(tx, row.userId);
      await endJoinRequest(tx, row.userId, null);
      await tx.membership.update({ userId: row.userId }, ended(membership));
    }
    await tx.scimGroupMember.delete({ scimUserId: id });
    const leftAs = isTheirs ? 'REMOVED' : null;
    return tx.scimUser.update({ id }, { userName: null, externalId: null, attributes: {}, leftAs });
  });
  await endSessions(userId);
}

/** NOT_FOUND for whom this directory did not make, or has deleted. */
export async function getUser(
  id: string,
  { db, directoryId }: Pick<DirectoryContext, 'directoryId'> & { readonly db: OrganizationDb },
): Promise<ProvisionedUser> {
  const row = await db.scimUser.get({ id, directoryId, userName: { not: null } });
  return { row, membership: await db.membership.get({ userId: row.userId }) };
}

async function assertNameFree(db: OrganizationDb, directoryId: string, userName: string): Promise<void> {
  if (await db.scimUser.find({ directoryId, userName })) throw conflict('This userName is taken.', 'userName');
}

/** Gives a member the e-mail of a membership that came to nothing, which has theirs from then on: an address has one row. */
async function changePlaces(db: OrganizationDb, { userId, email: own }: UserMembership, email: string): Promise<void> {
  const pending = await db.membership.find({ email });
  if (!pending) return;
  await db.membership.update({ userId: pending.userId }, { email: pending.userId });
  await db.membership.update({ userId }, { email });
  await db.membership.update({ userId: pending.userId }, { email: own });
}

/** A directory reaches people of the domains that its organization proved, and of no others. */
async function assertDomainHeld(db: OrganizationDb, email: string): Promise<void> {
  const name = domainOfEmail(email);
  if (name === null || !(await db.address.find({ name, kind: 'DOMAIN' }))) {
    throw badInput('emails', 'The organization does not hold the domain of this e-mail address.');
  }
}
