import { createHash, randomUUID } from 'node:crypto';
import path from 'node:path';
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import type { TrustedIssuer } from '../identity/trusted-issuer.js';
import { readOrMakeFile } from '../secrets/secret-file.js';

const DEVELOPMENT_ISSUER = 'urn:orgate:development';
const AUDIENCE = 'orgate';
const TYP = 'at+jwt';
const ALGORITHM = 'EdDSA';
const LIFETIME_S = 12 * 3600;

/** Signs people in without an identity provider. For development only: it believes whatever it is told. */
export interface DevelopmentIssuer {
  readonly trusted: TrustedIssuer;
  /**
   * @param organization an id or slug for the `org` claim, or null
   * @param expiresAt in seconds since 1970; in twelve hours when left out
   * @returns a bearer token
   */
  issue(email: string, name: string | null, organization: string | null, expiresAt?: number): Promise<string>;
}

/**
 * Opens the development issuer whose key lies in the data directory, and makes the key on first use. It never touches
 * the database, so a token can be made while the server runs.
 */
export async function openDevelopmentIssuer(dataDirectory: string): Promise<DevelopmentIssuer> {
  const jwk = JSON.parse(await readOrMakeFile(path.join(dataDirectory, 'development-issuer.jwk'), makeKey)) as JWK;
  const privateKey = (await importJWK(jwk, ALGORITHM)) as CryptoKey;
  const publicKey = (await importJWK({ ...jwk, d: undefined } as unknown as JWK, ALGORITHM)) as CryptoKey;
  return {
    trusted: {
      issuer: DEVELOPMENT_ISSUER,
      keys: () => publicKey,
      audience: AUDIENCE,
      algorithms: [ALGORITHM],
      typ: [TYP],
      development: true,
    },
    issue: (email, name, organization, expiresAt = Math.floor(Date.now() / 1000) + LIFETIME_S) =>
      new SignJWT({
        email: email.toLowerCase(),
        email_verified: true,
        ...(name !== null && { name }),
        ...(organization !== null && { org: organization }),
      })
        .setProtectedHeader({ alg: ALGORITHM, typ: TYP })
        .setIssuer(DEVELOPMENT_ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(createHash('sha256').update(email.toLowerCase()).digest('base64url'))
        .setIssuedAt()
        .setExpirationTime(expiresAt)
        .setJti(randomUUID())
        .sign(privateKey),
  };
}

async function makeKey(): Promise<string> {
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  return JSON.stringify(await exportJWK(privateKey));
}
