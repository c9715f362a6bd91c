import { hash } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { OrgateError } from '../errors.js';
import { isText, toName } from '../identity/person-name.js';
import type { VerifiedIdentity } from '../identity/person.js';
import type { TrustedIssuer } from '../identity/trusted-issuer.js';
import { faultOfKey, type KeyEnvironment, type PresentedApiKey, readApiKey } from '../secrets/api-key-format.js';
import { isLikeMachineToken, type PresentedMachineToken, readMachineToken } from '../secrets/machine-token.js';
import { refuseKey, refuseMachine } from './refused-key.js';

/** What a request presented: verified, as far as that can be told without the database. */
export type Credential =
  | IdentityCredential
  | SessionCredential
  | ImpersonationCredential
  | KeyCredential
  | MachineCredential
  | CookieCredential;

interface Token {
  /** The `org` claim: an id or slug, not yet checked against any membership. */
  readonly organizationClaim: string | null;
  /** In seconds since 1970. */
  readonly expiresAt: number;
}

/** A token whose signature, issuer, audience, type and times were verified. The person is not yet known. */
export interface IdentityCredential extends Token {
  readonly kind: 'identity';
  readonly identity: VerifiedIdentity;
  readonly development: boolean;
}

/** Orgate's own access token, verified like any other. Whether the session still holds is not yet known. */
export interface SessionCredential extends Token {
  readonly kind: 'session';
  readonly sessionId: string;
  readonly personId: string;
}

/** Orgate's own token of somebody who acts as somebody else, verified like any other. Whether they still may is not yet known. */
export interface ImpersonationCredential extends Token {
  readonly kind: 'impersonation';
  readonly organizationClaim: string;
  readonly impersonationId: string;
  readonly personId: string;
  /** Who acts: the `act` claim's subject. */
  readonly actorId: string;
}

/** A key whose form, environment and checksum are right. Whether it is anyone's is not yet known. */
export interface KeyCredential extends PresentedApiKey {
  readonly kind: 'key';
  /** It belongs to one organization, and names it to nobody but the database. */
  readonly organizationClaim: null;
}

/** A token of an executor, or of a claim, whose form and checksum are right. Whether it is anyone's is not yet known. It names no organization. */
export type MachineCredential = PresentedMachineToken & { readonly organizationClaim: null };

/** The secret of a browser's cookie, hashed. Whether it is anyone's is not yet known. It names no organization. */
export interface CookieCredential {
  readonly kind: 'cookie';
  readonly cookieHash: string;
  readonly organizationClaim: null;
}

export type Authenticate = (
  authorization: string | undefined,
  isLocalHost: boolean,
) => Promise<BearerCredential | null>;

export type TokenCredential = IdentityCredential | SessionCredential | ImpersonationCredential;
/** What speaks for a person who asks themselves. */
export type PersonCredential = IdentityCredential | SessionCredential | CookieCredential;
/** What stands in an Authorization header. */
export type BearerCredential = TokenCredential | KeyCredential | MachineCredential;

const CLOCK_TOLERANCE_S = 5;
/**
 * Whoever has an access token needs nobody's leave until it ends: an end that is further away was not meant. Identity
 * providers give a day at the most unless told otherwise (Okta, Cognito, Auth0), Entra ID up to 28 hours.
 */
const LONGEST_S = 48 * 3600;
const CACHE_MS = 5 * 60_000;
const CACHE_SIZE = 10_000;
/** The issuer's keys could not be had: no answer in time, an answer that is an error, one that is no key set. */
const KEYS_UNAVAILABLE: ReadonlySet<string> = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID']);

/**
 * Verifies bearer tokens, and reads API keys. Only the verification itself is remembered, by the token's hash, for five minutes and never
 * past its expiry; what the person may do is read anew on every request.
 *
 * @returns null without an Authorization header
 * @throws UNAUTHENTICATED for a credential that is not valid, whatever the reason; SERVICE_UNAVAILABLE when the
 *   issuer's keys cannot be fetched
 */
export function createAuthenticate(
  issuers: readonly TrustedIssuer[],
  keyEnvironment: KeyEnvironment,
  tellLookup: (isFound: boolean) => void = () => undefined,
  now: () => number = Date.now,
): Authenticate {
  const verified = new Map<string, { credential: TokenCredential; until: number }>();

  return async (authorization, isLocalHost) => {
    if (authorization === undefined) return null;
    const bearer = /^Bearer +([\w.-]+)$/i.exec(authorization)?.[1] ?? '';
    const key = readApiKey(bearer, keyEnvironment);
    if (key) return { kind: 'key', ...key, organizationClaim: null };
    const machine = readMachineToken(bearer);
    if (machine) return { ...machine, organizationClaim: null };
    if (isLikeMachineToken(bearer)) throw refuseMachine();
    const fault = faultOfKey(bearer, keyEnvironment);
    if (fault) throw refuseKey(fault.id, fault.why);
    const [token] = /^[\w-]+\.[\w-]+\.[\w-]+$/.exec(bearer) ?? [];
    if (token === undefined) throw new OrgateError('UNAUTHENTICATED');
    const digest = hash('sha256', token, 'base64');
    const known = verified.get(digest);
    const isKnown = known !== undefined && now() < known.until;
    tellLookup(isKnown);
    const credential = isKnown ? known.credential : await verify(token, issuers, now);
    // Only a development server gets here, and only with a token of its own.
    if (credential.kind === 'identity' && credential.development && !isLocalHost)
      throw new OrgateError(
        'UNAUTHENTICATED',
        'A development token counts only at a localhost name, through no proxy.',
      );
    if (credential !== known?.credential) {
      const [oldest] = verified.size >= CACHE_SIZE ? verified.keys() : [];
      if (oldest !== undefined) verified.delete(oldest);
      verified.set(digest, { credential, until: Math.min(now() + CACHE_MS, credential.expiresAt * 1000) });
    }
    return credential;
  };
}

async function verify(token: string, issuers: readonly TrustedIssuer[], now: () => number): Promise<TokenCredential> {
  try {
    const { iss } = decodeJwt(token);
    const issuer = issuers.find((each) => each.issuer === iss);
    if (!issuer) throw new OrgateError('UNAUTHENTICATED');
    const { payload, protectedHeader } = await jwtVerify(token, issuer.keys, {
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: [...issuer.algorithms],
      clockTolerance: CLOCK_TOLERANCE_S,
      requiredClaims: ['sub', 'exp'],
      currentDate: new Date(now()),
    });
    const latest = Math.floor(now() / 1000) + CLOCK_TOLERANCE_S;
    const { exp = Infinity, iat = 0 } = payload;
    if (exp > latest + LONGEST_S || iat > latest) throw new OrgateError('UNAUTHENTICATED');
    if (issuer.typ && !issuer.typ.includes(mediaType(protectedHeader.typ))) throw new OrgateError('UNAUTHENTICATED');
    return toCredential(issuer, payload);
  } catch (error) {
    if (error instanceof OrgateError) throw error;
    const isInvalid = error instanceof errors.JOSEError && !KEYS_UNAVAILABLE.has(error.code);
    throw new OrgateError(isInvalid ? 'UNAUTHENTICATED' : 'SERVICE_UNAVAILABLE', undefined, {}, { cause: error });
  }
}

const mediaType = (typ: string | undefined): string => (typ ?? '').toLowerCase().replace(/^application\//, '');

function toCredential(issuer: TrustedIssuer, payload: JWTPayload): TokenCredential {
  const { sub, exp = 0, sid, email, email_verified: emailVerified, name, org } = payload;
  const organizationClaim = typeof org === 'string' ? org : null;
  if (!sub || sub.length > 255 || !isText(sub) || !isText(organizationClaim ?? ''))
    throw new OrgateError('UNAUTHENTICATED');
  const token = { organizationClaim, expiresAt: exp };
  if (issuer.ownSessions) {
    const actor = actorOf(payload);
    if (actor === null) return { kind: 'session', ...token, sessionId: String(sid), personId: sub };
    if (organizationClaim === null) throw new OrgateError('UNAUTHENTICATED');
    return {
      kind: 'impersonation',
      ...token,
      organizationClaim,
      impersonationId: String(sid),
      personId: sub,
      ...actor,
    };
  }
  return {
    kind: 'identity',
    ...token,
    identity: {
      issuer: issuer.issuer,
      subject: sub,
      verifiedEmail: emailVerified === true && typeof email === 'string' ? toEmail(email) : null,
      name: toName(name),
    },
    development: issuer.development,
  };
}

/** Who acts as the subject of a token, as RFC 8693 says it; null where nobody does. @throws UNAUTHENTICATED for what says neither */
function actorOf({ act }: JWTPayload): { readonly actorId: string } | null {
  if (act === undefined) return null;
  const actor = typeof act === 'object' && act !== null && 'sub' in act ? act.sub : null;
  if (typeof actor !== 'string' || !isText(actor)) throw new OrgateError('UNAUTHENTICATED');
  return { actorId: actor };
}

export const toEmail = (email: string): string | null =>
  /^[^\s\p{Cc}\p{Cs}@]{1,64}@[^\s\p{Cc}\p{Cs}@]{1,190}$/u.test(email) ? email.toLowerCase() : null;
