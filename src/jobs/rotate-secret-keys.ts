import { bySystem } from '../data/connection/act.js';
import type { Database } from '../data/database.js';
import type { OrgId } from '../data/id.js';
import { openSealed } from '../identity/sealed.js';
import { signingKeyPurpose } from '../identity/signing-keys.js';
import { type KeptDataKey, type OrganizationSeal, rewrap } from '../secrets/organization-seal.js';
import { keyNameOf, type Seal, SealError } from '../secrets/seal.js';
import type { OrganizationDb } from '../data/organization/organization-db.js';

/** What was sealed under other keys than the first, and is no longer. */
export interface Rotation {
  readonly organizations: number;
  readonly dataKeys: number;
  /** Secrets from before organizations had keys of their own. */
  readonly secrets: number;
  readonly signingKeys: number;
  /** What does not open under any of the keys that are given: whose it is, and what it is. */
  readonly lost: readonly string[];
  /** Until when somebody may be back who is on their way through an identity provider; null where nobody is. */
  readonly signInsUntil: Date | null;
}

/** Moves the secrets of an organization that were sealed before it had a key of its own. @returns how many */
export type MoveSecrets = (db: OrganizationDb, orgId: OrgId, seal: OrganizationSeal) => Promise<number>;

export interface RotationParts {
  readonly database: Pick<Database, 'organizationDb' | 'outside'>;
  /** The first seals. */
  readonly secretKeys: Seal;
  readonly seal: OrganizationSeal;
  readonly moves: readonly MoveSecrets[];
}

const ACT = bySystem('rotate-keys');
const AT_ONCE = 500;

/**
 * Seals under the first of the secret keys what is sealed under another: while the gateway serves, each row by itself, and only if
 * nobody replaced it meanwhile. Killed anywhere it is begun again.
 */
export async function rotateSecretKeys({ database, secretKeys, seal, moves }: RotationParts): Promise<Rotation> {
  const sealed = database.outside(openSealed);
  const counts = { organizations: 0, dataKeys: 0, secrets: 0, signingKeys: 0 };
  const lost: string[] = [];
  const unlessLost = (what: string, work: () => Promise<number>): Promise<number> =>
    work().catch((error: unknown) => {
      if (!(error instanceof SealError)) throw error;
      lost.push(what);
      return 0;
    });

  for (const { kid, privateKey } of await sealed.listSigningKeys()) {
    if (keyNameOf(privateKey) === secretKeys.current) continue;
    counts.signingKeys += await unlessLost(`signing key ${kid}`, async () => {
      const purpose = signingKeyPurpose(kid);
      const anew = await secretKeys.seal(await secretKeys.open(privateKey, purpose), purpose);
      return sealed.replaceSigningKey(kid, privateKey, anew, ACT);
    });
  }

  for (let behind = ''; ;) {
    const orgIds = await sealed.listOrganizations(behind, AT_ONCE);
    for (const orgId of orgIds) {
      const db = database.organizationDb(orgId, ACT);
      for (const key of await listOldKeys(db, secretKeys.current)) {
        counts.dataKeys += await unlessLost(`${orgId}: data key ${key.id}`, async () => {
          const { wrapped, secretKey } = await rewrap(secretKeys, key, orgId);
          return db.dataKey.updateMany({ id: key.id, wrapped: key.wrapped }, { wrapped, secretKey });
        });
      }
      for (const move of moves) counts.secrets += await unlessLost(`${orgId}: a secret`, () => move(db, orgId, seal));
      counts.organizations += 1;
    }
    if (orgIds.length < AT_ONCE) break;
    behind = orgIds.at(-1) ?? '';
  }
  return { ...counts, lost, signInsUntil: await sealed.endOfSignIns() };
}

async function listOldKeys(db: OrganizationDb, current: string): Promise<KeptDataKey[]> {
  const all: KeptDataKey[] = [];
  for (;;) {
    const where = { secretKey: { not: current }, id: { gt: all.at(-1)?.id ?? '' } };
    const rows = await db.dataKey.list({ where, orderBy: { id: 'asc' }, take: AT_ONCE });
    all.push(...rows);
    if (rows.length < AT_ONCE) return all;
  }
}
