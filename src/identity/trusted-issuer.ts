import type { JWTVerifyGetKey } from 'jose';

/** Whose tokens are believed, and on which terms. */
export interface TrustedIssuer {
  /** The `iss` claim, to the letter. */
  readonly issuer: string;
  /** The issuer's keys: of another issuer, `remoteKeys`. */
  readonly keys: JWTVerifyGetKey;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** Accepted `typ` headers; null accepts any, for issuers that send none. */
  readonly typ: readonly string[] | null;
  /** `sub` is a person of this deployment and `sid` their session: orgate itself is the issuer. */
  readonly ownSessions?: boolean;
  /** Orgate's own development issuer: believed only on requests that came straight to a local host name. */
  readonly development: boolean;
}
