import type {
  ActiveMembership,
  OrganizationSummary,
  Person,
  PersonInOrganizations,
  VerifiedIdentity,
} from './person.js';
import { bySystem, type Origin } from '../data/connection/act.js';
import {
  createDirectoryQuery,
  createHeldDirectoryQuery,
  type DirectoryQuery,
} from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { newId } from '../data/id.js';
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
import type { NewOrganization } from './found-organization.js';
import { makingOrganizations } from './make-organization.js';
import { type Page, pageOf, searchedOrganizations } from './page.js';
import { organizationNamed } from './slugs.js';

/** Whose memberships count: all of a person's, or the only one that their session reaches, of the stay that it began in. */
export interface SessionScope {
  readonly personId: string;
  readonly boundOrgId: string | null;
  /** When the session began; null where there is none of orgate's own, which is never bound. */
  readonly startedAt: Date | null;
}

/** Of an address that was proved. */
type ProvenIdentity = VerifiedIdentity & { readonly verifiedEmail: string };

/**
 * The few reads and writes outside any one organization, each by name, under a role that sees no organization's data:
 * of organizations only what they are called, how they stand and what they chose of their settings.
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
  provision(identity: ProvenIdentity, from?: Origin): Promise<void>;
  /** One active membership within the session's scope, by the organization's id or slug. */
  findMembership(sessionScope: SessionScope, named: string): Promise<ActiveMembership | null>;
  /** The active memberships within the session's scope, by the organization's `orgId`, `id` or `name`. */
  listMemberships(sessionScope: SessionScope, page: Page): Promise<ActiveMembership[]>;
  countMemberships(sessionScope: SessionScope, search?: string): Promise<number>;
  /** Every organization by `id` or `name`; for system administrators. */
  listOrganizations(page: Page): Promise<OrganizationSummary[]>;
  countOrganizations(search?: string): Promise<number>;
  /** Makes an organization with its address and its first OWNER; CONFLICT when its slug is taken. */
  createOrganization(owner: Person, organization: NewOrganization, from?: Origin): Promise<OrganizationSummary>;
  setDefaultOrganization(personId: string, orgId: string | null, from?: Origin): Promise<void>;
}

const WITHIN_SESSION_SCOPE = `m.user_id = $1 and m.status = 'ACTIVE'
  and ($2::text is null or (m.org_id = $2 and ${beganSinceJoining('$3::timestamptz', 'm')}))`;

const valuesOf = ({ personId, boundOrgId, startedAt }: SessionScope) => [personId, boundOrgId, startedAt];

const LIST_MEMBERSHIPS = `
  select ${MEMBERSHIP} from membership m join organization o on o.id = m.org_id where ${WITHIN_SESSION_SCOPE}`;

const ORGANIZATION_ORDERS = { id: 'o.id', orgId: 'o.id', name: 'o.name' };

async function provision(
  query: DirectoryQuery,
  { issuer, subject, verifiedEmail, name }: ProvenIdentity,
  from?: Origin,
): Promise<void> {
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
}

/** What stands in a transaction of one organization, on its connection. */
export type HeldRegistry = Pick<Registry, 'provision'>;

export function openHeldRegistry(pool: ScopedPool): HeldRegistry {
  const query = createHeldDirectoryQuery(pool);
  return { provision: (identity, from) => provision(query, identity, from) };
}

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

    provision: (identity, from) => provision(query, identity, from),

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
        `select o.id, o.name, o.slug, o.status, o.created_at as "createdAt", o.set_id as "setId", o.base, o.project, o.region,
           o.environment from organization o
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

    createOrganization: (owner, organization, from) =>
      makingOrganizations(pool, owner, from, ({ make }) => make(organization)),

    async setDefaultOrganization(personId, orgId, from) {
      await query(
        `update person set default_org_id = $2, updated_at = current_timestamp where id = $1`,
        [personId, orgId],
        { kind: 'PERSON', id: personId, ...from },
      );
    },
  };
}
