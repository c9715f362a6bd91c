import { randomUUID } from 'node:crypto';
import { errors, SignJWT } from 'jose';
import { SIGNING_ALGORITHM, type SigningKeys } from './signing-keys.js';
import type { TrustedIssuer } from './trusted-issuer.js';

const AUDIENCE = 'orgate';
const TYP = 'at+jwt';
/** Whatever the token says, the session behind it is read on every request; others who verify it have only this. */
const LIFETIME_S = 600;

/** Whom an access token speaks for. */
export interface TokenSubject {
  readonly sessionId: string;
  readonly personId: string;
  /** The organization that it acts in, where it is bound to one; a membership was read. */
  readonly orgId: string | null;
  /** In seconds since 1970; the token does not outlive it. */
  readonly notAfter: number;
}

/** Access tokens of orgate's own sessions, for anyone to verify with the published keys. */
export interface SessionTokens {
  readonly trusted: TrustedIssuer;
  issue(subject: TokenSubject): Promise<{ token: string; expiresInSeconds: number }>;
}

/**
 * @param publicUrl the issuer that tokens name, known once the server listens
 * @param realTime the database's: a token of a replica whose clock is ahead would begin later than others look at it
 */
export const createSessionTokens = (
  keys: SigningKeys,
  publicUrl: () => string,
  realTime: () => Date,
): SessionTokens => ({
  trusted: {
    get issuer() {
      return publicUrl();
    },
    keys: async ({ kid }) => {
      const key = await keys.find(kid);
      if (!key) throw new errors.JWKSNoMatchingKey();
      return key;
    },
    audience: AUDIENCE,
    algorithms: [SIGNING_ALGORITHM],
    typ: [TYP],
    ownSessions: true,
    development: false,
  },
  async issue({ sessionId, personId, orgId, notAfter }) {
    const key = await keys.current();
    const now = Math.floor(realTime().getTime() / 1000);
    const expiresAt = Math.min(now + LIFETIME_S, notAfter);
    const token = await new SignJWT({ sid: sessionId, ...(orgId !== null && { org: orgId }) })
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: TYP, kid: key.kid })
      .setIssuer(publicUrl())
      .setAudience(AUDIENCE)
      .setSubject(personId)
      .setIssuedAt(now)
      .setExpirationTime(expiresAt)
      .setJti(randomUUID())
      .sign(key);
    return { token, expiresInSeconds: expiresAt - now };
  },
});
