import { randomUUID } from 'node:crypto';
import { errors, type JWTPayload, SignJWT } from 'jose';
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

/** Whom a token speaks for that somebody else acts with. */
export interface ActingSubject {
  readonly impersonationId: string;
  readonly personId: string;
  /** Who acts. */
  readonly actorId: string;
  readonly orgId: string;
  /** Nothing renews it. */
  readonly lifetimeS: number;
}

/** Access tokens of orgate's own sessions, for anyone to verify with the published keys. */
export interface SessionTokens {
  readonly trusted: TrustedIssuer;
  issue(subject: TokenSubject): Promise<{ token: string; expiresInSeconds: number }>;
  issueActing(subject: ActingSubject): Promise<string>;
}

/**
 * @param publicUrl the issuer that tokens name, known once the server listens
 * @param realTime the database's: a token of a replica whose clock is ahead would begin later than others look at it
 */
export function createSessionTokens(keys: SigningKeys, publicUrl: () => string, realTime: () => Date): SessionTokens {
  const sign = async (subject: string, claims: JWTPayload, [from, until]: readonly [number, number]) => {
    const key = await keys.current();
    return new SignJWT(claims)
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: TYP, kid: key.kid })
      .setIssuer(publicUrl())
      .setAudience(AUDIENCE)
      .setSubject(subject)
      .setIssuedAt(from)
      .setExpirationTime(until)
      .setJti(randomUUID())
      .sign(key);
  };
  const seconds = () => Math.floor(realTime().getTime() / 1000);

  return {
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
      const now = seconds();
      const expiresAt = Math.min(now + LIFETIME_S, notAfter);
      const claims = { sid: sessionId, ...(orgId !== null && { org: orgId }) };
      return { token: await sign(personId, claims, [now, expiresAt]), expiresInSeconds: expiresAt - now };
    },
    issueActing({ impersonationId, personId, actorId, orgId, lifetimeS }) {
      const now = seconds();
      const claims = { sid: impersonationId, org: orgId, act: { sub: actorId } };
      return sign(personId, claims, [now, now + lifetimeS]);
    },
  };
}
