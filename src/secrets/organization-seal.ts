import { randomBytes } from 'node:crypto';
import { newId } from '../data/id.js';
import { part } from '../parts.js';
import { decrypt, encrypt, keyNameOf, type Seal, SealError } from './seal.js';

/** A data key as it is kept: itself sealed, under the secret key of this name. */
export interface KeptDataKey {
  readonly id: string;
  readonly wrapped: string;
  readonly secretKey: string;
}

/** What an organization's data keys are kept in: its database, in a transaction or outside. */
export interface DataKeys {
  readonly dataKey: {
    find(where: { readonly id: string }): Promise<KeptDataKey | null>;
    list(query: { readonly orderBy: { readonly id: 'desc' }; readonly take: 1 }): Promise<readonly KeptDataKey[]>;
    create(row: KeptDataKey): Promise<KeptDataKey>;
  };
}

/** The row that a secret stands in. It opens there, and nowhere else. */
export interface SecretPlace {
  readonly orgId: string;
  readonly table: string;
  readonly id: string;
}

/**
 * Keeps the secrets of organizations at rest, each under a key of its organization's own. That key lies beside them, sealed under
 * the deployment's: the one is replaced without touching the others, and where it is deleted they are gone.
 */
export interface OrganizationSeal {
  /**
   * Makes the organization's key the first time. Two that do so at once make two, and both are good.
   *
   * @returns a compact JWE (AES-256-GCM)
   */
  seal(db: DataKeys, plain: string, place: SecretPlace): Promise<string>;
  /** @throws when its key is gone, when it was sealed in another place, or altered */
  open(db: DataKeys, sealed: string, place: SecretPlace): Promise<string>;
}

export const SEAL = part<OrganizationSeal>('seal');

const purposeOf = ({ orgId, table, id }: SecretPlace): string => `${table}/${orgId}/${id}`;
const wrappedIn = (orgId: string, id: string): string => purposeOf({ orgId, table: 'data_key', id });

const wrap = async (secretKeys: Seal, plain: string, orgId: string, id: string): Promise<KeptDataKey> => ({
  id,
  wrapped: await secretKeys.seal(plain, wrappedIn(orgId, id)),
  secretKey: secretKeys.current,
});

/** The same data key under the secret key that seals now. @throws when it does not open */
export const rewrap = async (secretKeys: Seal, { id, wrapped }: KeptDataKey, orgId: string): Promise<KeptDataKey> =>
  wrap(secretKeys, await secretKeys.open(wrapped, wrappedIn(orgId, id)), orgId, id);

/** Whether something was sealed before organizations had keys of their own. */
const isSealedWithoutDataKey = (sealed: string): boolean => !keyNameOf(sealed).startsWith('dek_');

/** The same sealed under the organization's own key; null where it is already. @throws when it does not open */
export const sealAnew = async (
  seal: OrganizationSeal,
  db: DataKeys,
  sealed: string,
  place: SecretPlace,
): Promise<string | null> =>
  isSealedWithoutDataKey(sealed) ? seal.seal(db, await seal.open(db, sealed, place), place) : null;

export function createOrganizationSeal(secretKeys: Seal): OrganizationSeal {
  // Opened each time: a key that was kept longer than its row would open what was to be lost with it.
  const unwrap = async ({ id, wrapped }: KeptDataKey, orgId: string): Promise<Uint8Array> =>
    Buffer.from(await secretKeys.open(wrapped, wrappedIn(orgId, id)), 'base64');

  return {
    async seal(db, plain, place) {
      const { orgId } = place;
      const [newest] = await db.dataKey.list({ orderBy: { id: 'desc' }, take: 1 });
      const kept =
        newest ??
        (await db.dataKey.create(await wrap(secretKeys, randomBytes(32).toString('base64'), orgId, newId('dek'))));
      return encrypt(plain, { key: await unwrap(kept, orgId), kid: kept.id, purpose: purposeOf(place) });
    },

    async open(db, sealed, place) {
      // Until `rotate-keys` has moved it.
      if (isSealedWithoutDataKey(sealed)) return secretKeys.open(sealed, purposeOf(place));
      const kept = await db.dataKey.find({ id: keyNameOf(sealed) });
      if (!kept) throw new SealError('a secret was sealed under a data key that is gone');
      return decrypt(sealed, { key: await unwrap(kept, place.orgId), purpose: purposeOf(place) });
    },
  };
}
