import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import type { Seal } from '../secrets/seal.js';
import { hashSecret, newSecret } from '../secrets/secret.js';

/** Who began to sign in, and what only they may know until they are back. */
export interface SignInAttempt {
  readonly step: SignInStep;
  readonly providerId: string;
  /** The secret in the cookie of the browser that began. */
  readonly browser: string;
  /** Sealed in the database. */
  readonly kept: object;
  /** How long it counts; ten minutes unless it says so. */
  readonly lifetimeMs?: number;
}

/**
 * What is waited for: an OIDC provider's answer, a SAML provider's, or the browser after that; at the host of an organization the
 * code that the browser comes back with, and for that code, whoever redeems it. There the host stands in place of the provider, and
 * of a code its challenge in place of the browser.
 */
export type SignInStep = 'OIDC' | 'SAML' | 'SAML_ASSERTED' | 'HOST' | 'HOST_CODE';

/** People on their way through an identity provider. */
export interface SignInAttempts {
  /** Answers the state, a secret that the way back brings along. */
  begin(attempt: SignInAttempt): Promise<string>;
  /**
   * Ends an attempt and answers what was kept; null when there is none of this step, state, provider and browser, when it is
   * too old or when it was taken before. Of two who take it at the same moment one does. Where the browser brings no cookie
   * (a cross-site POST), `browser` is null, and what follows must check it.
   */
  take<Kept>(step: SignInStep, state: string, providerId: string, browser: string | null): Promise<Kept | null>;
  /** False when this assertion was used before. It is remembered until `validUntil`. */
  useAssertion(providerId: string, assertionId: string, validUntil: Date): Promise<boolean>;
  /** Forgets what is too old to serve. */
  sweep(): Promise<void>;
}

/** How long someone may take at the identity provider. */
export const ATTEMPT_LIFETIME_MS = 10 * 60_000;

export function createSignInAttempts(pool: ScopedPool, seal: Seal): SignInAttempts {
  const query = createDirectoryQuery(pool);
  const purpose = (stateHash: string): string => `sign_in_attempt/${stateHash}`;
  return {
    async begin({ step, providerId, browser, kept, lifetimeMs = ATTEMPT_LIFETIME_MS }) {
      const state = newSecret();
      const stateHash = hashSecret(state);
      await query(
        `insert into sign_in_attempt (step, state_hash, provider_id, browser_hash, sealed, expires_at)
         values ($1, $2, $3, $4, $5, current_timestamp + $6 * interval '1 millisecond')`,
        [
          step,
          stateHash,
          providerId,
          hashSecret(browser),
          await seal.seal(JSON.stringify(kept), purpose(stateHash)),
          lifetimeMs,
        ],
      );
      return state;
    },

    async take<Kept>(step: SignInStep, state: string, providerId: string, browser: string | null) {
      const stateHash = hashSecret(state);
      const [row] = await query<{ sealed: string }>(
        `delete from sign_in_attempt
         where step = $1 and state_hash = $2 and provider_id = $3 and ($4::text is null or browser_hash = $4)
           and expires_at > current_timestamp
         returning sealed`,
        [step, stateHash, providerId, browser === null ? null : hashSecret(browser)],
      );
      return row ? (JSON.parse(await seal.open(row.sealed, purpose(stateHash))) as Kept) : null;
    },

    async useAssertion(providerId, assertionId, validUntil) {
      const rows = await query(
        `insert into saml_assertion_seen (provider_id, assertion_hash, expires_at) values ($1, $2, $3)
         on conflict do nothing returning provider_id`,
        [providerId, hashSecret(assertionId), validUntil],
      );
      return rows.length === 1;
    },

    async sweep() {
      await query('delete from sign_in_attempt where expires_at < current_timestamp', []);
      await query('delete from saml_assertion_seen where expires_at < current_timestamp', []);
    },
  };
}
