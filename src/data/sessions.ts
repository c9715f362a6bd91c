import { createHash, randomBytes } from 'node:crypto';
import { translateDatabaseError } from './database-error.js';
import { newId } from './id.js';
import { type Frame, inFrame, type ScopedPool } from './org-connection.js';
import { ROW_TYPES } from './pg-types.js';

/** How long a person stays signed in, whatever they do. */
const LIFETIME_MS = 30 * 24 * 3600 * 1000;

/** A sign-in that was just made. The cookie's secret exists here and in the browser, and nowhere else. */
export interface StartedSession {
  readonly sessionId: string;
  /** The secret that the browser's cookie holds. */
  readonly cookie: string;
  readonly expiresAt: Date;
}

/** People who signed in through orgate, each time they did. */
export interface Sessions {
  /**
   * Signs a person in; the caller has verified who they are.
   *
   * @param provider the identity provider that said so, by id
   * @param boundOrgId the only organization that the session reaches, where that organization's own provider said so
   */
  start(session: {
    personId: string;
    provider: string | null;
    boundOrgId: string | null;
    userAgent: string | null;
  }): Promise<StartedSession>;
}

/** Secrets are random enough that a plain hash keeps them. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('base64url');

const newSecret = (): string => randomBytes(32).toString('base64url');

const DIRECTORY: Frame = { role: 'orgate_directory' };

export function createSessions(pool: ScopedPool): Sessions {
  const query = async <Row>(text: string, values: unknown[]): Promise<Row[]> => {
    try {
      return (await inFrame(DIRECTORY, () => pool.query({ text, values, types: ROW_TYPES }))).rows as Row[];
    } catch (error) {
      throw translateDatabaseError(error);
    }
  };

  return {
    async start({ personId, provider, boundOrgId, userAgent }) {
      const started = {
        sessionId: newId('ses'),
        cookie: newSecret(),
        expiresAt: new Date(Date.now() + LIFETIME_MS),
      };
      await query(
        `insert into session (id, person_id, provider, bound_org_id, cookie_hash, user_agent, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)`,
        [
          started.sessionId,
          personId,
          provider,
          boundOrgId,
          hashSecret(started.cookie),
          userAgent?.slice(0, 300) ?? null,
          started.expiresAt,
        ],
      );
      return started;
    },
  };
}
