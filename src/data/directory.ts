import pg from 'pg';
import { conflict } from '../errors.js';
import { translateDatabaseError } from './database-error.js';
import { brandVerifiedOrgId, newId } from './id.js';
import { type Frame, inFrame, type ScopedPool } from './org-connection.js';

/** A human being, as the deployment knows them. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly systemRole: 'USER' | 'SYSTEM_ADMIN';
  readonly status: 'ACTIVE' | 'DISABLED';
  readonly defaultOrgId: string | null;
}

/** An active membership, and what everyone who has it may know of the organization. */
export interface ActiveMembership {
  readonly organization: OrganizationCard;
  readonly userId: string;
  readonly email: string;
  readonly name: string;
  readonly role: string;
  readonly granted: readonly string[];
  readonly withheld: readonly string[];
  readonly createdAt: Date;
  readonly joinedAt: Date | null;
}

/** What is known of an organization outside it. */
export interface OrganizationCard {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly status: 'ACTIVE' | 'SUSPENDED';
  readonly createdAt: Date;
}

/** Whom a verified token speaks for. The e-mail is there only when the issuer says that it verified it. */
export interface VerifiedIdentity {
  readonly issuer: string;
  readonly subject: string;
  readonly verifiedEmail: string | null;
  readonly name: string | null;
}

export interface PersonInOrganizations {
  readonly person: Person;
  /** By what was named; when nothing was, the stored default and up to two others. Active ones only. */
  readonly memberships: readonly ActiveMembership[];
}

export interface Page {
  readonly after: string | undefined;
  readonly take: number;
}

/**
 * The few reads and writes outside any one organization, each by name, under a role that sees no organization's data:
 * of organizations only id, name, slug, status and creation.
 */
export interface Directory {
  /**
   * The person behind an identity and, in the same round trip, their active memberships in the organizations named (by
   * id or slug). Read at the start of every request, because rights end the moment they are taken.
   */
  findPerson(identity: VerifiedIdentity, named: readonly string[]): Promise<PersonInOrganizations | null>;
  /** Ties an identity with a verified e-mail to its person, and makes the person on first sight. */
  admit(identity: VerifiedIdentity & { readonly verifiedEmail: string }): Promise<void>;
  /** One active membership of a person, by the organization's id or slug. */
  findMembership(personId: string, named: string): Promise<ActiveMembership | null>;
  /** A person's active memberships by organization id. */
  listMemberships(personId: string, page: Page): Promise<ActiveMembership[]>;
  countMemberships(personId: string): Promise<number>;
  /** Every organization by id; for system administrators. */
  listOrganizations(page: Page): Promise<OrganizationCard[]>;
  countOrganizations(): Promise<number>;
  /** Makes an organization with its address and its first OWNER; CONFLICT on `input.slug` when that is taken. */
  createOrganization(
    owner: Person,
    organization: { name: string; slug: string; description: string },
  ): Promise<OrganizationCard>;
  setDefaultOrganization(personId: string, orgId: string | null): Promise<void>;
  /** Answers when the database does. */
  ping(): Promise<void>;
}

const MEMBERSHIP = `
  jsonb_build_object(
    'organization', jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'status', o.status, 'createdAt', o.created_at),
    'userId', m.user_id, 'email', m.email, 'name', m.name, 'role', m.role, 'granted', m.granted,
    'withheld', m.withheld, 'createdAt', m.created_at, 'joinedAt', m.joined_at)`;

const FIND_PERSON = `
  with who as (
    select p.id, p.email, p.name, p.system_role, p.status, p.default_org_id
    from identity i join person p on p.id = i.person_id
    where i.issuer = $1 and i.subject = $2
  )
  select who.id, who.email, who.name, who.system_role as "systemRole", who.status, who.default_org_id as "defaultOrgId",`;

/** With names: one primary-key read for each. */
const FIND_PERSON_NAMED = `${FIND_PERSON}
  (select coalesce(jsonb_agg(${MEMBERSHIP}), '[]')
   from unnest($3::text[]) as named(ref)
   join membership m on m.user_id = who.id
     and m.org_id = coalesce((select a.org_id from address a where a.name = named.ref), named.ref)
   join organization o on o.id = m.org_id
   where m.status = 'ACTIVE') as memberships
  from who`;

/** Without: the default, and enough others to tell whether there is only one. */
const FIND_PERSON_UNNAMED = `${FIND_PERSON}
  (select coalesce(jsonb_agg(${MEMBERSHIP}), '[]')
   from (
     (select * from membership d where d.org_id = who.default_org_id and d.user_id = who.id and d.status = 'ACTIVE')
     union
     (select * from membership s where s.user_id = who.id and s.status = 'ACTIVE' order by s.org_id limit 2)
   ) m join organization o on o.id = m.org_id) as memberships
  from who`;

const LIST_MEMBERSHIPS = `
  select ${MEMBERSHIP} as membership from membership m join organization o on o.id = m.org_id
  where m.user_id = $1 and m.status = 'ACTIVE'`;

const DIRECTORY: Frame = { role: 'orgate_directory' };

export function createDirectory(pool: ScopedPool): Directory {
  const query = async <Row>(text: string, values: unknown[], frame: Frame = DIRECTORY): Promise<Row[]> => {
    try {
      return (await inFrame(frame, () => pool.query({ text, values }))).rows as Row[];
    } catch (error) {
      throw translateDatabaseError(error);
    }
  };

  const memberships = async (text: string, values: unknown[]) =>
    (await query<{ membership: ActiveMembership }>(text, values)).map((row) => reviveMembership(row.membership));

  return {
    async findPerson({ issuer, subject }, named) {
      type Found = Person & { memberships: ActiveMembership[] };
      const rows =
        named.length > 0
          ? await query<Found>(FIND_PERSON_NAMED, [issuer, subject, named])
          : await query<Found>(FIND_PERSON_UNNAMED, [issuer, subject]);
      if (!rows[0]) return null;
      const { memberships: found, ...person } = rows[0];
      return { person, memberships: found.map(reviveMembership) };
    },

    async admit({ issuer, subject, verifiedEmail, name }) {
      // Two first requests at once: the person is made once, and the second finds it made.
      await query(`insert into person (id, email, name) values ($1, $2, $3) on conflict (email) do nothing`, [
        newId('usr'),
        verifiedEmail,
        name ?? verifiedEmail.split('@')[0],
      ]);
      await query(
        `insert into identity (issuer, subject, person_id)
         select $1, $2, id from person where email = $3 on conflict do nothing`,
        [issuer, subject, verifiedEmail],
      );
    },

    async findMembership(personId, named) {
      const found = await memberships(
        `${LIST_MEMBERSHIPS} and m.org_id = coalesce((select a.org_id from address a where a.name = $2), $2)`,
        [personId, named],
      );
      return found[0] ?? null;
    },

    listMemberships: (personId, { after, take }) =>
      memberships(`${LIST_MEMBERSHIPS} and m.org_id > $2 order by m.org_id limit $3`, [personId, after ?? '', take]),

    async countMemberships(personId) {
      const rows = await query<{ count: number }>(
        `select count(*)::int as count from membership where user_id = $1 and status = 'ACTIVE'`,
        [personId],
      );
      return rows[0]?.count ?? 0;
    },

    listOrganizations: ({ after, take }) =>
      query(
        `select id, name, slug, status, created_at as "createdAt" from organization
         where id > $1 order by id limit $2`,
        [after ?? '', take],
      ),

    async countOrganizations() {
      const rows = await query<{ count: number }>(`select count(*)::int as count from organization`, []);
      return rows[0]?.count ?? 0;
    },

    async createOrganization(owner, { name, slug, description }) {
      const card = { id: newId('org'), name, slug, status: 'ACTIVE' as const, createdAt: new Date() };
      const orgId = brandVerifiedOrgId(card.id); // nobody else knows it yet: whoever makes it is its first member
      const inside: Frame = { role: 'orgate_app', orgId };
      const client = await pool.connect();
      try {
        await client.query({ text: 'BEGIN' });
        const run = (frame: Frame, text: string, values: unknown[]) =>
          inFrame(frame, () => client.query({ text, values }));
        await run(
          DIRECTORY,
          `insert into organization (id, name, slug, description, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)`,
          [card.id, name, slug, description, card.createdAt],
        );
        await run(DIRECTORY, `insert into address (name, kind, org_id) values ($1, 'SLUG', $2)`, [slug, card.id]);
        await run(
          inside,
          `insert into membership (org_id, user_id, email, name, role, status, joined_at)
           values ($1, $2, $3, $4, 'OWNER', 'ACTIVE', $5)`,
          [card.id, owner.id, owner.email, owner.name, card.createdAt],
        );
        await client.query({ text: 'COMMIT' });
        return card;
      } catch (error) {
        await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
        if (error instanceof pg.DatabaseError && error.constraint === 'address_pkey') {
          throw conflict('This slug is already taken.', 'input.slug');
        }
        throw translateDatabaseError(error);
      } finally {
        client.release();
      }
    },

    async setDefaultOrganization(personId, orgId) {
      await query(`update person set default_org_id = $2, updated_at = current_timestamp where id = $1`, [
        personId,
        orgId,
      ]);
    },

    async ping() {
      await query('select 1', []);
    },
  };
}

/** Instants leave the database as text inside JSON. */
const reviveMembership = (found: ActiveMembership): ActiveMembership => ({
  ...found,
  organization: { ...found.organization, createdAt: new Date(found.organization.createdAt) },
  createdAt: new Date(found.createdAt),
  joinedAt: found.joinedAt && new Date(found.joinedAt),
});
