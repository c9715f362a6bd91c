import type {
  ActiveMembership,
  OrganizationSummary,
  Person,
  PersonInOrganizations,
  VerifiedIdentity,
} from './person.js';
import pg from 'pg';
import { type Act, bySystem, type Origin } from '../data/connection/act.js';
import { createDirectoryQuery, DIRECTORY } from '../data/connection/directory-query.js';
import { inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import type { Frame } from '../data/connection/frame.js';
import { translateDatabaseError } from '../data/database-error.js';
import { brandOrgId, newId } from '../data/id.js';
import { taken } from '../errors.js';
import {
  beganSinceJoining,
  type Claimant,
  findPersonStatement,
  type FoundRow,
  MEMBERSHIP,
  type MembershipRow,
  toMembership,
  toPersonInOrganizations,
} from './find-person.js';
import { type Page, pageOf, searchedOrganizations } from './page.js';
import { FREE_SLUG, organizationNamed } from './slugs.js';

/** Whose memberships count: all of a person's, or the only one that their session reaches, of the stay that it began in. */
export interface SessionScope {
  readonly personId: string;
  readonly boundOrgId: string | null;
  /** When the session began; null where there is none of orgate's own, which is never bound. */
  readonly startedAt: Date | null;
}

/**
 * The few reads and writes outside any one organization, each by name, under a role that sees no organization's data:
 * of organizations only id, name, slug, status and creation.
 */
export interface Registry {
  /**
   * The person behind a credential and, in the same round trip, their active memberships in the organizations named (by
   * id or slug). Read at the start of every request, because rights and sessions end the moment they are taken.
   *
   * @param cookieHash of the cookie that came beside a token
   */
  findPerson(
    claimant: Claimant,
    named: readonly string[],
    cookieHash?: string | null,
  ): Promise<PersonInOrganizations | null>;
  /**
   * Ties an identity with a verified e-mail to its person, and makes the person on first sight. The name is what they are
   * called on the whole deployment, in organizations that they join: none where an organization's own provider says it.
   */
  provision(identity: VerifiedIdentity & { readonly verifiedEmail: string }, from?: Origin): Promise<void>;
  /** One active membership within the session's scope, by the organization's id or slug. */
  findMembership(sessionScope: SessionScope, named: string): Promise<ActiveMembership | null>;
  /** The active memberships within the session's scope, by the organization's `orgId`, `id` or `name`. */
  listMemberships(sessionScope: SessionScope, page: Page): Promise<ActiveMembership[]>;
  countMemberships(sessionScope: SessionScope, search?: string): Promise<number>;
  /** Every organization by `id` or `name`; for system administrators. */
  listOrganizations(page: Page): Promise<OrganizationSummary[]>;
  countOrganizations(search?: string): Promise<number>;
  /** Makes an organization with its address and its first OWNER; CONFLICT when its slug is taken. */
  createOrganization(
    owner: Person,
    organization: { name: string; slug: string; description: string },
    from?: Origin,
  ): Promise<OrganizationSummary>;
  setDefaultOrganization(personId: string, orgId: string | null, from?: Origin): Promise<void>;
}

const WITHIN_SESSION_SCOPE = `m.user_id = $1 and m.status = 'ACTIVE'
  and ($2::text is null or (m.org_id = $2 and ${beganSinceJoining('$3::timestamptz', 'm')}))`;

const valuesOf = ({ personId, boundOrgId, startedAt }: SessionScope) => [personId, boundOrgId, startedAt];

const LIST_MEMBERSHIPS = `
  select ${MEMBERSHIP} from membership m join organization o on o.id = m.org_id where ${WITHIN_SESSION_SCOPE}`;

const ORGANIZATION_ORDERS = { id: 'o.id', orgId: 'o.id', name: 'o.name' };

export function openRegistry(pool: ScopedPool): Registry {
  const query = createDirectoryQuery(pool);

  const memberships = async (text: string, values: unknown[]) =>
    (await query<MembershipRow>(text, values)).map(toMembership);

  return {
    async findPerson(claimant, names, cookieHash = null) {
      const { text, values } = findPersonStatement(claimant, {
        names,
        cookieHash,
        movedMs: pool.clock.movedMs,
      });
      return toPersonInOrganizations(await query<FoundRow>(text, values));
    },

    async provision({ issuer, subject, verifiedEmail, name }, from) {
      const act = { ...bySystem('sign-in'), ...from };
      // Two first requests at once: the person is made once, and the second finds it made.
      await query(
        `insert into person (id, email, name) values ($1, $2, $3) on conflict (email) do nothing`,
        [newId('usr'), verifiedEmail, name ?? verifiedEmail.split('@')[0]],
        act,
      );
      await query(
        `insert into identity (issuer, subject, person_id)
         select $1, $2, id from person where email = $3 on conflict do nothing`,
        [issuer, subject, verifiedEmail],
        act,
      );
      await query(
        `update person set email_verified_at = current_timestamp where email = $1 and email_verified_at is null`,
        [verifiedEmail],
        act,
      );
      // Whoever an organization made known is called by their address, until they are called something here.
      if (name === null) return;
      await query(
        `update person set name = $2 where email = $1 and name = split_part(email, '@', 1) and name <> $2`,
        [verifiedEmail, name],
        act,
      );
    },

    async findMembership(sessionScope, name) {
      const found = await memberships(`${LIST_MEMBERSHIPS} and m.org_id = ${organizationNamed('$4', '$5')}`, [
        ...valuesOf(sessionScope),
        name,
        pool.clock.movedMs,
      ]);
      return found[0] ?? null;
    },

    listMemberships: (sessionScope, page) => {
      const values: unknown[] = valuesOf(sessionScope);
      const narrowed = searchedOrganizations(page.search, values);
      return memberships(`${LIST_MEMBERSHIPS}${narrowed}${pageOf(ORGANIZATION_ORDERS, page, values)}`, values);
    },

    async countMemberships(sessionScope, search) {
      const values: unknown[] = valuesOf(sessionScope);
      const narrowed = searchedOrganizations(search, values);
      const rows = await query<{ count: number }>(
        `select count(*)::int as count from membership m
         ${narrowed && 'join organization o on o.id = m.org_id'} where ${WITHIN_SESSION_SCOPE}${narrowed}`,
        values,
      );
      return rows[0]?.count ?? 0;
    },

    listOrganizations: (page) => {
      const values: unknown[] = [];
      return query(
        `select o.id, o.name, o.slug, o.status, o.created_at as "createdAt" from organization o
         where true${searchedOrganizations(page.search, values)}${pageOf(ORGANIZATION_ORDERS, page, values)}`,
        values,
      );
    },

    async countOrganizations(search) {
      const values: unknown[] = [];
      const rows = await query<{ count: number }>(
        `select count(*)::int as count from organization o where true${searchedOrganizations(search, values)}`,
        values,
      );
      return rows[0]?.count ?? 0;
    },

    async createOrganization(owner, { name, slug, description }, from) {
      const summary = { id: newId('org'), name, slug, status: 'ACTIVE' as const, createdAt: pool.clock.now() };
      const orgId = brandOrgId(summary.id); // nobody else knows it yet: whoever makes it is its first member
      const act: Act = { kind: 'PERSON', id: owner.id, name: owner.name, ...from };
      const inside: Frame = { role: 'orgate_app', orgId, act };
      const outside: Frame = { ...DIRECTORY, act };
      const client = await pool.connect();
      try {
        await client.query({ text: 'BEGIN' });
        const run = (frame: Frame, text: string, values: unknown[]) =>
          inFrame(frame, () => client.query({ text, values }));
        await run(
          outside,
          `insert into organization (id, name, slug, description, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)`,
          [summary.id, name, slug, description, summary.createdAt],
        );
        await run(outside, FREE_SLUG, [slug, pool.clock.movedMs]);
        await run(outside, `insert into address (name, kind, org_id) values ($1, 'SLUG', $2)`, [slug, summary.id]);
        await run(
          inside,
          `insert into membership (org_id, user_id, email, name, role, status, joined_at)
           values ($1, $2, $3, $4, 'OWNER', 'ACTIVE', $5)`,
          [summary.id, owner.id, owner.email, owner.name, summary.createdAt],
        );
        await client.query({ text: 'COMMIT' });
        return summary;
      } catch (error) {
        await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
        if (error instanceof pg.DatabaseError && error.constraint === 'address_pkey') {
          throw taken('slug', 'This slug is already taken.');
        }
        throw translateDatabaseError(error);
      } finally {
        client.release();
      }
    },

    async setDefaultOrganization(personId, orgId, from) {
      await query(
        `update person set default_org_id = $2, updated_at = current_timestamp where id = $1`,
        [personId, orgId],
        { kind: 'PERSON', id: personId, ...from },
      );
    },
  };
}
