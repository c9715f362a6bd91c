import type { RequestContext } from '../context/context.js';
import type { OrganizationDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { conflict, notFound, OrgateError } from '../errors.js';
import { type Catalogue, isAtMost, type Permission, type Role } from '../permissions/catalogue.js';
import { standingsBehind } from './earlier-standing.js';
import { forgetWhoEnded } from './end-earlier-stay.js';
import { endInvitation } from './end-invitation.js';

type MembershipRow = Row<'Membership'>;
export type Standing = Pick<MembershipRow, 'role' | 'granted' | 'withheld'>;
type Change = Partial<Omit<MembershipRow, 'userId'>>;

/**
 * Changes what someone is in the current organization.
 *
 * Runs under the lock of the organization's row and reads the actor anew there, so that of two people who act on each
 * other at the same moment the second acts with what the first has left them.
 *
 * @param change what is to become of them; may throw, when nothing can
 * @param alongside what else changes with it
 * @throws NOT_FOUND without such a member; FORBIDDEN when the actor lost the permission; ROLE_ESCALATION; LAST_OWNER
 */
export function changeMembership(
  userId: string,
  context: RequestContext,
  permission: Permission,
  change: (before: MembershipRow) => Change,
  alongside: (db: OrganizationDb, actor: MembershipRow) => Promise<void> = () => Promise.resolve(),
): Promise<MembershipRow> {
  return context.db.transaction(async (db) => {
    await db.lockOrganization();
    const actor = await readActor(db, context, permission);
    const before = await db.membership.find({ userId });
    if (!before || before.kind !== 'PERSON' || (before.status === 'REMOVED' && !before.mayRejoin)) throw notFound();
    const changes = change(before);
    const after = { ...before, ...changes };
    // Of who was removed, and that was cleared, nothing is left but to take the clearance back.
    if (before.status === 'REMOVED' && after.mayRejoin) throw notFound();
    assertNoEscalation(context.catalogue, actor, before);
    // Whoever changes what someone is invited to be brings them back, when they accept.
    const isInvited = after.status === 'INVITED';
    const touched = isInvited ? await standingsBehind(db, after) : after.status === 'REMOVED' ? [] : [after];
    assertNoEscalation(context.catalogue, actor, ...touched);
    await assertOwnerStays(db, before, after);
    await alongside(db, actor);
    if (changes.status) await forgetWhoEnded(db, userId);
    if (before.status !== 'INVITED') return db.membership.update({ userId }, changes);
    const invitation = after.status === 'INVITED' ? null : await db.invitation.find({ pendingEmail: before.email });
    if (invitation) await endInvitation(db, invitation, 'REVOKED');
    // Whoever decides last what someone is invited to be answers for it when they accept.
    return db.membership.update({ userId }, { ...changes, invitedBy: actor.userId });
  });
}

/** LAST_OWNER when a change would leave no active OWNER. Call it under the organization's lock. */
export async function assertOwnerStays(db: OrganizationDb, before: Ownership, after: Ownership): Promise<void> {
  if (!isActiveOwner(before) || isActiveOwner(after)) return;
  const owners = await db.membership.count({ role: 'OWNER', status: 'ACTIVE' });
  if (owners < 2) throw new OrgateError('LAST_OWNER');
}

type Ownership = Pick<MembershipRow, 'role' | 'status'>;

const isActiveOwner = ({ role, status }: Ownership): boolean => role === 'OWNER' && status === 'ACTIVE';

/** The actor as they are now, inside the lock. */
export async function readActor(
  db: OrganizationDb,
  context: RequestContext,
  permission: Permission,
): Promise<MembershipRow> {
  const member = await db.membership.find({ userId: context.actorId, status: 'ACTIVE' });
  const actor = member && (await asAsking(member, db, context));
  if (!actor || !effective(context.catalogue, actor).has(permission)) {
    throw new OrgateError('FORBIDDEN', undefined, { requiredPermission: permission });
  }
  return { ...member, ...actor };
}

/** Who asks with a key is no more than that key, and nobody once it was revoked. */
async function asAsking(member: Standing, db: OrganizationDb, context: RequestContext): Promise<Standing | null> {
  const { apiKey } = context.viewer ?? {};
  if (!apiKey) return member;
  const key = await db.apiKey.find({ id: apiKey.id, revokedAt: null });
  return key && standingOfKey(context.catalogue, member, key.permissions);
}

/** What a key of this member can do, as if it were a member itself. */
export const standingOfKey = (catalogue: Catalogue, owner: Standing, permissions: readonly string[]): Standing =>
  catalogue.ofKey({ ...owner, role: owner.role as Role }, permissions);

/** Nobody grants, edits or removes more than they hold: neither what someone has, nor what they are to have. */
export function assertNoEscalation(catalogue: Catalogue, actor: Standing, ...touched: Standing[]): void {
  if (!isWithinRights(catalogue, actor, ...touched)) throw new OrgateError('ROLE_ESCALATION');
}

export function isWithinRights(catalogue: Catalogue, actor: Standing, ...touched: Standing[]): boolean {
  const held = effective(catalogue, actor);
  return touched.every(
    (standing) =>
      isAtMost(standing.role as Role, actor.role as Role) &&
      [...effective(catalogue, standing)].every((permission) => held.has(permission)),
  );
}

/** What a standing adds up to. */
export const effective = (catalogue: Catalogue, { role, granted, withheld }: Standing): ReadonlySet<Permission> =>
  catalogue.effective(role as Role, granted, withheld);

/**
 * Seats are taken by people who are members, suspended ones included, and by invitations that can be accepted. Call it
 * under the organization's lock.
 */
export async function assertSeatFree(db: OrganizationDb, seatLimit: number | null): Promise<void> {
  if (seatLimit === null) return;
  const members = await db.membership.count({ kind: 'PERSON', status: { in: ['ACTIVE', 'SUSPENDED'] } });
  const invited = await db.invitation.count({ status: 'PENDING', expiresAt: { gt: new Date() } });
  if (members + invited >= seatLimit) throw conflict('Every seat of the subscription is taken.');
}
