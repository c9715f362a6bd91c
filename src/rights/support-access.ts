import type { LockedDb } from '../data/organization/organization-db.js';
import type { SupportAccess } from '../generated/enums.js';

/** The grants that count now, which last longest first: all that there are at once. */
export const MAX_GRANTS = 10;

export const grantsInForce = (db: LockedDb) =>
  db.supportAccessGrant.list({
    where: { revokedAt: null, expiresAt: { gt: db.now() } },
    orderBy: { expiresAt: 'desc' },
    take: MAX_GRANTS,
  });

/**
 * Until when somebody of the deployment may be in the organization, whatever comes of it later: for ever where that is null.
 *
 * @returns now where they may not be
 */
export async function allowedUntil(db: LockedDb, access: SupportAccess): Promise<Date | null> {
  if (access === 'READ') return null;
  const [last] = access === 'ON_GRANT' ? await grantsInForce(db) : [];
  return last?.expiresAt ?? db.now();
}

/**
 * Ends, or shortens, what of the deployment's own people acts in the organization, to what is allowed from now on. Whoever is out
 * stays out: what is granted afterwards lets nobody back in.
 */
export async function holdToSupportAccess(db: LockedDb, access: SupportAccess): Promise<void> {
  const until = await allowedUntil(db, access);
  if (until === null) return;
  const [now, open] = [db.now(), { endedAt: null }];
  if (until > now) await db.impersonation.updateMany({ ...open, expiresAt: { gt: until } }, { expiresAt: until });
  else await db.impersonation.updateMany({ ...open, expiresAt: { gt: now } }, { endedAt: now });
}
