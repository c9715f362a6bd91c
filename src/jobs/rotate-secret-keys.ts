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

/** A secret that may have been sealed before its organization had a key of its own. */
export interface Movable {
  /** What it is, for whoever reads that it is lost. */
  readonly what: string;
  /** Seals it anew, if it was. @returns how many @throws SealError when it does not open */
  move(): Promise<number>;
}

/** The secrets of an organization, of one kind. */
export type FindSecrets = (db: OrganizationDb, orgId: OrgId, seal: OrganizationSeal) => AsyncIterable<Movable>;

export interface RotationParts {
  readonly database: Pick<Database, 'organizationDb' | 'outside'>;
  /** The first seals. */
  readonly secretKeys: Seal;
  readonly seal: OrganizationSeal;
  readonly secrets: readonly FindSecrets[];
}

const ACT = bySystem('rotate-keys');
const AT_ONCE = 500;

/**
 * Seals under the first of the secret keys what is sealed under another: while the gateway serves, each row by itself, and only if
 * nobody replaced it meanwhile. Killed anywhere it is begun again.
 */
export async function rotateSecretKeys({ database, secretKeys, seal, secrets }: RotationParts): Promise<Rotation> {
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
    counts.signingKeys += await unlessLost(`signing key ${kid}`, async () => {
      if (keyNameOf(privateKey) === secretKeys.current) return 0;
      const purpose = signingKeyPurpose(kid);
      const anew = await secretKeys.seal(await secretKeys.open(privateKey, purpose), purpose);
      return sealed.replaceSigningKey(kid, privateKey, anew, ACT);
    });
  }

  for (let behind = ''; ;) {
    const orgIds = await sealed.listOrganizations(behind, AT_ONCE);
    for (const orgId of orgIds) {
      const db = database.organizationDb(orgId, ACT);
      for await (const key of dataKeysOf(db)) {
        counts.dataKeys += await unlessLost(`${orgId}: data key ${key.id}`, async () => {
          // What it says itself counts; what is written beside it nobody vouches for.
          const isCurrent = keyNameOf(key.wrapped) === secretKeys.current && key.secretKey === secretKeys.current;
          if (isCurrent) return 0;
          const { wrapped, secretKey } = await rewrap(secretKeys, key, orgId);
          return db.dataKey.updateMany({ id: key.id, wrapped: key.wrapped }, { wrapped, secretKey });
        });
      }
      for (const find of secrets) {
        for await (const { what, move } of find(db, orgId, seal)) {
          counts.secrets += await unlessLost(`${orgId}: ${what}`, move);
        }
      }
      counts.organizations += 1;
    }
    if (orgIds.length < AT_ONCE) break;
    behind = orgIds.at(-1) ?? '';
  }
  return { ...counts, lost, signInsUntil: await sealed.endOfSignIns() };
}

async function* dataKeysOf(db: OrganizationDb): AsyncGenerator<KeptDataKey> {
  for (let behind = ''; ;) {
    const rows = await db.dataKey.list({ where: { id: { gt: behind } }, orderBy: { id: 'asc' }, take: AT_ONCE });
    yield* rows;
    if (rows.length < AT_ONCE) return;
    behind = rows.at(-1)?.id ?? '';
  }
}
