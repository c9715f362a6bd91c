import pg from 'pg';
import { conflict } from '../errors.js';
import { translateDatabaseError } from './database-error.js';
import { brandVerifiedOrgId, newId } from './id.js';
import { type Frame, inFrame, type ScopedPool } from './org-connection.js';
import { ROW_TYPES } from './pg-types.js';

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

const PERSON = `p.id as "personId", p.email as "personEmail", p.name as "personName", p.system_role as "systemRole",
  p.status as "personStatus", p.default_org_id as "defaultOrgId"`;

const MEMBERSHIP = `m.org_id as "orgId", m.user_id as "userId", m.email, m.name, m.role, m.granted, m.withheld,
  m.created_at as "createdAt", m.joined_at as "joinedAt", o.name as "organizationName", o.slug, o.status as "organizationStatus",
  o.created_at as "organizationCreatedAt"`;

/** The organization that a name, an id or a slug, stands for. */
const named = (name: string): string =>
  `coalesce((select a.org_id from address a where a.name = ${name} and a.kind = 'SLUG'), ${name})`;

/** With names: one row for each, and one primary-key read. Without memberships a single row says who asks. */
const FIND_PERSON_NAMED = `
  select ${PERSON}, ${MEMBERSHIP}
  from identity i join person p on p.id = i.person_id
  cross join unnest($3::text[]) as ref(name)
  left join membership m on m.org_id = ${named('ref.name')} and m.user_id = p.id and m.status = 'ACTIVE'
  left join organization o on o.id = m.org_id
  where i.issuer = $1 and i.subject = $2`;

/** Without: the default, and enough others to tell whether there is only one. */
const FIND_PERSON_UNNAMED = `
  select ${PERSON}, ${MEMBERSHIP}
  from identity i join person p on p.id = i.person_id
  left join lateral (
    (select * from membership d where d.org_id = p.default_org_id and d.user_id = p.id and d.status = 'ACTIVE')
    union
    (select * from membership s where s.user_id = p.id and s.status = 'ACTIVE' order by s.org_id limit 2)
  ) m on true
  left join organization o on o.id = m.org_id
  where i.issuer = $1 and i.subject = $2`;

const LIST_MEMBERSHIPS = `
  select ${MEMBERSHIP} from membership m join organization o on o.id = m.org_id
  where m.user_id = $1 and m.status = 'ACTIVE'`;

interface MembershipRow {
  orgId: string;
  userId: string;
  email: string;
  name: string;
  role: string;
  granted: string[];
  withheld: string[];
  createdAt: Date;
  joinedAt: Date | null;
  organizationName: string;
  slug: string;
  organizationStatus: OrganizationCard['status'];
  organizationCreatedAt: Date;
}

interface PersonRow {
  personId: string;
  personEmail: string;
  personName: string;
  systemRole: Person['systemRole'];
  personStatus: Person['status'];
  defaultOrgId: string | null;
}

const DIRECTORY: Frame = { role: 'orgate_directory' };

export function createDirectory(pool: ScopedPool): Directory {
  const query = async <Row>(text: string, values: unknown[], frame: Frame = DIRECTORY): Promise<Row[]> => {
    try {
      return (await inFrame(frame, () => pool.query({ text, values, types: ROW_TYPES }))).rows as Row[];
    } catch (error) {
      throw translateDatabaseError(error);
    }
  };

  const memberships = async (text: string, values: unknown[]) =>
    (await query<MembershipRow>(text, values)).map(toMembership);

  return {
    async findPerson({ issuer, subject }, names) {
      type Found = PersonRow & (MembershipRow | { orgId: null });
      const rows =
        names.length > 0
          ? await query<Found>(FIND_PERSON_NAMED, [issuer, subject, names])
          : await query<Found>(FIND_PERSON_UNNAMED, [issuer, subject]);
      const [first] = rows;
      if (!first) return null;
      return {
        person: {
          id: first.personId,
          email: first.personEmail,
          name: first.personName,
          systemRole: first.systemRole,
          status: first.personStatus,
          defaultOrgId: first.defaultOrgId,
        },
        memberships: rows.filter((row) => row.orgId !== null).map(toMembership),
      };
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

    async findMembership(personId, name) {
      const found = await memberships(`${LIST_MEMBERSHIPS} and m.org_id = ${named('$2')}`, [personId, name]);
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

const toMembership = (row: MembershipRow): ActiveMembership => ({
  organization: {
    id: row.orgId,
    name: row.organizationName,
    slug: row.slug,
    status: row.organizationStatus,
    createdAt: row.organizationCreatedAt,
  },
  userId: row.userId,
  email: row.email,
  name: row.name,
  role: row.role,
  granted: row.granted,
  withheld: row.withheld,
  createdAt: row.createdAt,
  joinedAt: row.joinedAt,
});
