import { setTimeout as wait } from 'node:timers/promises';
import { createRemoteJWKSet, jwksCache, type JWKSCacheInput, type JWTVerifyGetKey } from 'jose';

/** A key set that is older is asked for again before it is used. */
const FRESH_MS = 10 * 60_000;
/** How long that is waited for: the set that there is will do. */
const PATIENCE_MS = 500;
/** An issuer that gave none is asked so often. */
const ASK_AGAIN_MS = 30_000;
/** How long the last good set will do. */
const LAST_GOOD_MS = 24 * 3_600_000;

/**
 * The keys of an issuer: fetched when first needed, for a key id that they do not name, and every ten minutes. While the
 * issuer gives none, the last good set counts for a day, and nobody whose key is in it waits for the issuer.
 */
export function remoteKeys(jwksUri: string): JWTVerifyGetKey {
  const kept: JWKSCacheInput = {};
  const keys = createRemoteJWKSet(new URL(jwksUri), { cacheMaxAge: LAST_GOOD_MS, [jwksCache]: kept });
  let askedAt = -Infinity;
  let renewed: Promise<unknown> = Promise.resolve();
  return async (header, token) => {
    const now = Date.now();
    if (kept.uat !== undefined && now - kept.uat > FRESH_MS) {
      if (now - askedAt > ASK_AGAIN_MS) {
        askedAt = now;
        renewed = Promise.race([keys.reload().catch(() => undefined), wait(PATIENCE_MS, undefined, { ref: false })]);
      }
      await renewed;
    }
    return keys(header, token);
  };
}
