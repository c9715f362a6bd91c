import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { bySystem } from '../data/connection/act.js';
import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { part } from '../parts.js';
import type { Seal } from '../secrets/seal.js';

export const SIGNING_ALGORITHM = 'EdDSA';

const DAY_MS = 24 * 3600 * 1000;
/** How long a key signs. The next one is made, and published, when it begins. */
const PERIOD_MS = 30 * DAY_MS;
/** How long a key is published before it signs, at the least: others keep copies of what was published. */
const NOTICE_MS = DAY_MS;
/** How long a key is published after it signed last: longer than any token lives, with clocks that differ. */
const AFTERLIFE_MS = 3600 * 1000;
/** A token that names an unknown key has the keys read again, but not each time. */
const REREAD_MS = 10_000;

/** The keys that were made cannot be used. The message says what mends it. */
export class SigningKeyError extends Error {
  override readonly name = 'SigningKeyError';
}

/** What orgate signs with. Every replica has the same keys, and they follow one another without anyone's doing. */
export interface SigningKeys {
  /**
   * Reads the keys, makes the next one when it is due, and drops those whose tokens have all expired. To be called
   * before anything is signed, and then every hour.
   *
   * @throws SigningKeyError
   */
  keep(): Promise<void>;
  /** The private key that signs now. */
  current(): Promise<JWK & { readonly kid: string }>;
  /** The public keys that have signed what may still be valid, the one that signs now, and the next. */
  published(): readonly JWK[];
  /** The public key of this id. */
  find(kid: string | undefined): Promise<JWK | undefined>;
}

export const SIGNING_KEYS = part<SigningKeys>('signing keys');

interface KeyRow {
  readonly generation: number;
  readonly kid: string;
  readonly publicKey: JWK;
  readonly privateKey: string;
  readonly signsFrom: Date;
}

const KEEPER = bySystem('keep-signing-keys');

/** @param now real time, by the database: a replica whose clock is ahead would drop what others still sign with */
export function createSigningKeys(
  pool: ScopedPool,
  seal: Seal,
  now: () => number = () => pool.clock.real().getTime(),
): SigningKeys {
  let keys: readonly KeyRow[] = [];
  let readAt = 0;
  const opened = new Map<string, JWK & { kid: string }>();

  const query = createDirectoryQuery(pool);

  const read = async (): Promise<void> => {
    readAt = now();
    keys = await query<KeyRow>(
      `select generation, kid, public_key as "publicKey", private_key as "privateKey", signs_from as "signsFrom"
       from signing_key order by generation`,
    );
  };

  /** Of replicas that make the same generation at once, one does, and all read what it made. */
  const makeNext = async (last: KeyRow | undefined): Promise<void> => {
    const { publicKey, privateKey } = await generateKeyPair(SIGNING_ALGORITHM, { extractable: true });
    const about = { kid: randomUUID(), alg: SIGNING_ALGORITHM, use: 'sig' };
    const signsFrom = last ? Math.max(last.signsFrom.getTime() + PERIOD_MS, now() + NOTICE_MS) : now();
    await query(
      `insert into signing_key (generation, kid, public_key, private_key, signs_from) values ($1, $2, $3, $4, $5)
       on conflict (generation) do nothing`,
      [
        (last?.generation ?? 0) + 1,
        about.kid,
        JSON.stringify({ ...(await exportJWK(publicKey)), ...about }),
        await seal.seal(JSON.stringify({ ...(await exportJWK(privateKey)), ...about }), signingKeyPurpose(about.kid)),
        new Date(signsFrom),
      ],
      KEEPER,
    );
  };

  const hasBegun = ({ signsFrom }: KeyRow): boolean => signsFrom.getTime() <= now();

  const current = async (): Promise<JWK & { kid: string }> => {
    // The very first begins by the clock of whoever made it, which may be ahead of this one.
    const key = keys.findLast(hasBegun) ?? keys[0];
    if (!key) throw new Error('there is no signing key yet');
    const known = opened.get(key.kid);
    if (known) return known;
    const plain = await seal.open(key.privateKey, signingKeyPurpose(key.kid)).catch((cause: unknown) => {
      const message =
        'The signing keys in the database were sealed under another ORGATE_SECRET_KEY. Set that one, behind the new one ' +
        'if it is being replaced; or delete the rows of signing_key, which ends the access tokens issued so far.';
      throw new SigningKeyError(message, { cause });
    });
    const jwk = JSON.parse(plain) as JWK & { kid: string };
    opened.set(key.kid, jwk);
    return jwk;
  };

  return {
    async keep() {
      await query(
        `delete from signing_key k
         where exists (select from signing_key n where n.generation > k.generation and n.signs_from < $1)`,
        [new Date(now() - AFTERLIFE_MS)],
        KEEPER,
      );
      await read();
      while (keys.every(hasBegun)) {
        await makeNext(keys.at(-1));
        await read();
      }
      await current();
    },
    current,
    published: () => keys.map(({ publicKey }) => publicKey),
    async find(kid) {
      const byId = () => keys.find((key) => key.kid === kid)?.publicKey;
      if (!byId() && now() - readAt >= REREAD_MS) await read();
      return byId();
    },
  };
}

/** What its private half is sealed for. */
export const signingKeyPurpose = (kid: string): string => `signing_key/${kid}`;
