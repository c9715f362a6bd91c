import { createHmac } from 'node:crypto';
import { type Act, bySystem, type Origin } from '../data/connection/act.js';
import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { newId } from '../data/id.js';
import { notFound } from '../errors.js';
import { hashSecret, newSecret } from '../secrets/secret.js';
import type { SessionScope } from './registry.js';
import { type Page, pageOf } from './page.js';
import { beganSinceJoining, isLive } from './find-person.js';

/** Clients of one session that renew access tokens; of more, those that did so last. */
const MAX_REFRESH_TOKENS = 10;
/** How long what ended is kept, for whoever looks into what happened. */
const KEPT = "interval '30 days'";

/** How long a person stays signed in, whatever they do. */
const LIFETIME_MS = 30 * 24 * 3600 * 1000;

/** A sign-in that was just made. The cookie's secret exists here and in the browser, and nowhere else. */
export interface StartedSession {
  readonly sessionId: string;
  /** The secret that the browser's cookie holds. */
  readonly cookie: string;
  readonly expiresAt: Date;
}

/** Whose sessions: those that one session reaches; without when that began, all of the person that are bound alike. */
export type SessionsOf = Omit<SessionScope, 'startedAt'> & Partial<SessionScope>;

/** People who signed in through orgate, each time they did. */
export interface Sessions {
  /**
   * Signs a person in; the caller has verified who they are.
   *
   * @param provider the identity provider that said so, by id
   * @param boundOrgId the only organization that the session reaches, where that organization's own provider said so
   * @throws NOT_FOUND once that organization is being purged
   */
  start(session: {
    personId: string;
    provider: string | null;
    boundOrgId: string | null;
    userAgent: string | null;
    /** The request that it is for. */
    from?: Origin;
  }): Promise<StartedSession>;

  /**
   * Signs the person of a live session in for one organization alone, at its host. It ends with that session, for whatever reason;
   * null when that session is over.
   */
  startAtHost(session: {
    of: string;
    boundOrgId: string;
    userAgent: string | null;
    from?: Origin;
  }): Promise<StartedSession | null>;

  /** A token that renews access tokens of a live session, for one more client of it. */
  issueRefreshToken(sessionId: string): Promise<string>;
  /**
   * Takes a refresh token for its successor. For ten seconds it gives the same one again, since two tabs may come at
   * once, unless that was used already. Whoever else comes with one that was used has a copy, and nobody knows who had it
   * first: it ends its session, with all that came of it.
   *
   * @returns null when no live session of an active person stands behind it
   */
  renew(refreshToken: string, from?: Origin): Promise<RenewedSession | 'REUSED' | null>;
  /** Notes that a session is in use. */
  touch(sessionId: string): Promise<void>;

  /** The live sessions of a person, the newest first; for a bound one those that are bound alike, of no later stay. */
  list(of: SessionsOf, page: Page): Promise<SessionSummary[]>;
  count(of: SessionsOf): Promise<number>;
  /** Those among them that have one of these ids. */
  find(of: SessionsOf, ids: readonly string[]): Promise<SessionSummary[]>;
  /** Ends one live session of these; false when there is none of this id. */
  end(of: SessionsOf, sessionId: string, reason: EndReason, act: Act): Promise<boolean>;
  /** Ends all of them, and says how many. */
  endAll(of: SessionsOf, reason: EndReason, act: Act): Promise<number>;
  /** Ends every session that an identity provider opened: it is believed no longer. */
  endOfProvider(provider: string, act: Act): Promise<void>;
  /** Deletes what ended long ago. */
  sweep(): Promise<void>;
}

export type EndReason = 'SIGNED_OUT' | 'REVOKED';

export interface RenewedSession {
  readonly sessionId: string;
  readonly personId: string;
  readonly expiresAt: Date;
  readonly refreshToken: string;
}

/** What a person sees of a session of theirs. */
export interface SessionSummary {
  readonly id: string;
  readonly provider: string | null;
  readonly boundOrgId: string | null;
  readonly userAgent: string | null;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  readonly expiresAt: Date;
}

/**
 * The live sessions of a person. What an organization's own provider signed in sees and ends only what it signed in
 * itself: it speaks for the person there, and nowhere else. Nor does it for a stay that began after it.
 */
const OF_PERSON = `s.person_id = $1 and ${isLive('s')} and ($2::text is null or (s.bound_org_id = $2 and not exists (
  select from membership m where m.org_id = $2 and m.user_id = $1
    and ${beganSinceJoining('s.created_at', 'm')} and not ${beganSinceJoining('$3::timestamptz', 'm')})))`;

const valuesOf = ({ personId, boundOrgId, startedAt = null }: SessionsOf) => [personId, boundOrgId, startedAt];

const LIST = `
  select s.id, s.provider, s.bound_org_id as "boundOrgId", s.user_agent as "userAgent",
    s.created_at as "createdAt", s.last_used_at as "lastUsedAt", s.expires_at as "expiresAt"
  from session s where ${OF_PERSON}`;

/** Ends all that a condition is true of, a session before those that came of it: as ending that one locks them. */
const end = (reason: string, condition: string): string => `
  with held as (select s.id from session s where ${condition} order by s.source_id is not null, s.id for update)
  update session s set ended_at = current_timestamp, end_reason = ${reason} from held where s.id = held.id`;

type Renewed = Omit<RenewedSession, 'refreshToken'> & { readonly salt: string };

/** How long a token that was used gives its successor again. */
const GRACE = "interval '10 seconds'";

/** What a secret is replaced by: nobody makes it without that secret, nor without what is kept here. */
const successorOf = (secret: string, salt: string): string =>
  createHmac('sha256', salt).update(secret).digest('base64url');

const renewing = (change: string, which: string): string => `
  with renewed as (
    update refresh_token r set last_used_at = current_timestamp ${change}
    from session s join person p on p.id = s.person_id
    where r.family_hash = $1 and ${which} and s.id = r.session_id and ${isLive('s')} and p.status = 'ACTIVE'
    returning r.session_id, r.salt
  )
  update session s set last_used_at = current_timestamp from renewed where s.id = renewed.session_id
  returning s.id as "sessionId", s.person_id as "personId", s.expires_at as "expiresAt", renewed.salt`;

const RENEW = renewing(
  ', secret_hash = $3, replaced_hash = $2, replaced_at = current_timestamp, salt = $4',
  'r.secret_hash = $2',
);

/** Once the successor was used, it is what was replaced, and this finds nothing. */
const RENEW_AGAIN = renewing('', `r.replaced_hash = $2 and r.replaced_at > current_timestamp - ${GRACE}`);

/**
 * Whether sessions of an organization are still begun. Its purge, which forgets them, waits for those that are on their way, and of
 * what comes later there is none.
 */
const isKept = (orgId: string): string =>
  `(${orgId} is null or exists (select from organization o where o.id = ${orgId} and o.purge_began_at is null for share))`;

export function openSessions(pool: ScopedPool): Sessions {
  const query = createDirectoryQuery(pool);

  return {
    async start({ personId, provider, boundOrgId, userAgent, from }) {
      const started = {
        sessionId: newId('ses'),
        cookie: newSecret(),
        expiresAt: new Date(pool.clock.real().getTime() + LIFETIME_MS),
      };
      // Told by the clock that told when they joined: a session counts for the stay that it began in.
      const [row] = await query(
        `insert into session (id, person_id, provider, bound_org_id, cookie_hash, user_agent, expires_at, created_at)
         select $1, $2, $3, $4, $5, $6, $7, $8 where ${isKept('$4::text')} returning id`,
        [
          started.sessionId,
          personId,
          provider,
          boundOrgId,
          hashSecret(started.cookie),
          userAgent?.slice(0, 300) ?? null,
          started.expiresAt,
          pool.clock.now(),
        ],
        { kind: 'PERSON', id: personId, ...from },
      );
      if (!row) throw notFound();
      return started;
    },

    async startAtHost({ of, boundOrgId, userAgent, from }) {
      const [sessionId, cookie] = [newId('ses'), newSecret()];
      const [started] = await query<{ expiresAt: Date }>(
        `with source as (select s.id, s.person_id, s.provider, s.bound_org_id, s.expires_at from session s where s.id = $6 and ${isLive('s')} for share)
         insert into session (id, person_id, provider, bound_org_id, cookie_hash, user_agent, expires_at, created_at, source_id)
         select $1, s.person_id, s.provider, $2, $3, $4, s.expires_at, $5, s.id from source s
         where (s.bound_org_id is null or s.bound_org_id = $2) and ${isKept('$2::text')}
         returning expires_at as "expiresAt"`,
        [sessionId, boundOrgId, hashSecret(cookie), userAgent?.slice(0, 300) ?? null, pool.clock.now(), of],
        { ...bySystem('sign-in at a host'), ...from },
      );
      return started ? { sessionId, cookie, expiresAt: started.expiresAt } : null;
    },

    async issueRefreshToken(sessionId) {
      const [family, secret] = [newSecret(), newSecret()];
      await query(
        `with kept as (
           select family_hash from refresh_token where session_id = $1 order by last_used_at desc limit ${MAX_REFRESH_TOKENS - 1}
         ), dropped as (
           delete from refresh_token where session_id = $1 and family_hash not in (select family_hash from kept)
         )
         insert into refresh_token (family_hash, session_id, secret_hash) values ($2, $1, $3)`,
        [sessionId, hashSecret(family), hashSecret(secret)],
      );
      return `${family}.${secret}`;
    },

    async renew(refreshToken, from) {
      const [, family, secret] = /^([\w-]{43})\.([\w-]{43})$/.exec(refreshToken) ?? [];
      if (!family || !secret) return null;
      const hashes = [hashSecret(family), hashSecret(secret)];
      const salt = newSecret();
      // Whoever comes second waits for the row, and finds another secret in it.
      const first = await query<Renewed>(RENEW, [...hashes, hashSecret(successorOf(secret, salt)), salt]);
      const [renewed] = first.length > 0 ? first : await query<Renewed>(RENEW_AGAIN, hashes);
      if (renewed) {
        const { salt: used, ...session } = renewed;
        return { ...session, refreshToken: `${family}.${successorOf(secret, used)}` };
      }
      const ended = await query(
        `update session s set ended_at = current_timestamp, end_reason = 'TOKEN_REUSED' from refresh_token r
         where r.family_hash = $1 and r.secret_hash <> $2 and s.id = r.session_id and ${isLive('s')} returning s.id`,
        hashes,
        { ...bySystem('a refresh token was used twice'), ...from },
      );
      return ended.length > 0 ? 'REUSED' : null;
    },

    async touch(sessionId) {
      await query(`update session set last_used_at = current_timestamp where id = $1`, [sessionId]);
    },

    list: (of, page) => {
      const values: unknown[] = valuesOf(of);
      return query<SessionSummary>(`${LIST}${pageOf({ id: 's.id' }, page, values)}`, values);
    },

    find: (of, ids) => query<SessionSummary>(`${LIST} and s.id = any($4::text[])`, [...valuesOf(of), ids]),

    async count(of) {
      const text = `select count(*)::int as count from session s where ${OF_PERSON}`;
      const [row] = await query<{ count: number }>(text, valuesOf(of));
      return row?.count ?? 0;
    },

    async end(of, sessionId, reason, act) {
      const ended = await query(
        `${end('$4', `${OF_PERSON} and s.id = $5`)} returning s.id`,
        [...valuesOf(of), reason, sessionId],
        act,
      );
      return ended.length > 0;
    },

    async endAll(of, reason, act) {
      return (await query(`${end('$4', OF_PERSON)} returning s.id`, [...valuesOf(of), reason], act)).length;
    },

    async endOfProvider(provider, act) {
      await query(end(`'REVOKED'`, `s.provider = $1 and ${isLive('s')}`), [provider], act);
    },

    async sweep() {
      await query(`delete from refresh_token r using session s where s.id = r.session_id and not (${isLive('s')})`, []);
      await query(
        `delete from session s where least(s.ended_at, s.expires_at) < current_timestamp - ${KEPT}
         and not exists (select from refresh_token r where r.session_id = s.id)`,
        [],
        bySystem('sweep-sessions'),
      );
    },
  };
}
