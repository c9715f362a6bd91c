import type { LockedDb } from '../data/organization/organization-db.js';

/**
 * What someone had here before they were removed stays ended when they come back: their keys, and the invitations that
 * they sent and nobody took back. Of sessions `findPerson` reads those of this stay only.
 */
export async function endEarlierStay(db: LockedDb, userId: string): Promise<void> {
  const keys = { ownerId: userId, revokedAt: null };
  if (await db.apiKey.find(keys)) await db.apiKey.update(keys, { revokedAt: db.now() });
  const pending = { invitedBy: userId, status: 'INVITED' } as const;
  if (await db.membership.find(pending)) await db.membership.update(pending, { invitedBy: null });
  await forgetWhoEnded(db, userId);
}

/** What a directory ended it may resume, until someone else decides about the membership. */
export async function forgetWhoEnded(db: LockedDb, userId: string): Promise<void> {
  const known = await db.scimUser.find({ userId, leftAs: { not: null } });
  if (known) await db.scimUser.update({ id: known.id }, { leftAs: null });
}
