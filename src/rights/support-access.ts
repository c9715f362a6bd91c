import type { LockedDb } from '../data/organization/organization-db.js';
import type { SupportAccess } from '../generated/enums.js';

const inForce = (db: LockedDb) => ({ revokedAt: null, expiresAt: { gt: db.now() } });

/** The grants that count now, which last longest first: all that there are at once. */
export const MAX_GRANTS = 10;

export const grantsInForce = (db: LockedDb) =>
  db.supportAccessGrant.list({
    where: inForce(db),
    orderBy: { expiresAt: 'desc' },
    take: MAX_GRANTS,
  });

/**
 * Until when somebody of the deployment may be in the organization, whatever comes of it later: for ever where that is null.
 *
 * @param without a grant that is about to be revoked
 * @returns now where they may not be
 */
export async function allowedUntil(db: LockedDb, access: SupportAccess, without?: string): Promise<Date | null> {
  if (access === 'READ') return null;
  const grants = access === 'ON_GRANT' ? await grantsInForce(db) : [];
  return grants.find(({ id }) => id !== without)?.expiresAt ?? db.now();
}

/**
 * Ends, or shortens, what of the deployment's own people acts in the organization, to what is allowed from now on. Whoever is out
 * stays out: what is granted afterwards lets nobody back in.
 */
export async function holdToSupportAccess(db: LockedDb, access: SupportAccess): Promise<void> {
  await endAfter(db, await allowedUntil(db, access));
  // Who lets nobody in takes back what was granted: otherwise it would count again with the next change of mind.
  if (access === 'DENIED') await db.supportAccessGrant.updateMany(inForce(db), { revokedAt: db.now() });
}

/** Takes a grant back, and what it alone allowed; one that is over stays as it was. */
export async function revokeGrant(db: LockedDb, id: string): Promise<void> {
  if (!(await db.supportAccessGrant.find({ id, ...inForce(db) }))) return;
  await endAfter(db, await allowedUntil(db, db.held.supportAccess, id));
  await db.supportAccessGrant.updateMany({ id, ...inForce(db) }, { revokedAt: db.now() });
}

/**
 * Before any grant is taken back: what is changed under one holds the access first and then the grant, until it is committed. In another
 * order the two would wait for each other, and whoever shows somebody out could be the one who is refused.
 */
async function endAfter(db: LockedDb, until: Date | null): Promise<void> {
  if (until === null) return;
  const [now, open] = [db.now(), { endedAt: null }];
  if (until > now) await db.impersonation.updateMany({ ...open, expiresAt: { gt: until } }, { expiresAt: until });
  else await db.impersonation.updateMany({ ...open, expiresAt: { gt: now } }, { endedAt: now });
}
