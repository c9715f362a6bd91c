import type { Act } from '../data/connection/act.js';
import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';
import { brandOrgId, type OrgId } from '../data/id.js';
import { organizationNamed } from './slugs.js';

/** Somebody who is known by an e-mail address. */
export interface KnownPerson {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** What stands outside the organization that a single-tenant database moves into. For whoever runs the deployment. */
export interface AdoptedPeople {
  /** Who is known already, by e-mail. */
  find(emails: readonly string[]): Promise<KnownPerson[]>;
  /** Makes those whose e-mail nobody has. That it is theirs nobody proved yet. */
  make(people: readonly KnownPerson[], act: Act): Promise<void>;
  /** Says by which subject of an issuer people are told, where nobody else is. */
  tie(
    issuer: string,
    subjects: readonly { readonly subject: string; readonly personId: string }[],
    act: Act,
  ): Promise<void>;
  /** The organization that has a slug, or had it not long ago. */
  findOrganization(slug: string): Promise<OrgId | null>;
}

const FIND = 'select id, email, name from person where email = any ($1)';
const MAKE = `
  insert into person (id, email, name, email_verified_at)
  select id, email, name, null from unnest($1::text[], $2::text[], $3::text[]) as given (id, email, name)
  on conflict (email) do nothing`;
const TIE = `
  insert into identity (issuer, subject, person_id)
  select $1, subject, person_id from unnest($2::text[], $3::text[]) as given (subject, person_id)
  on conflict do nothing`;
const FIND_ORGANIZATION = `select o.id from organization o where o.id = ${organizationNamed('$1', '$2')} and $1 not like 'org\\_%'`;

export function openAdoptedPeople(pool: ScopedPool): AdoptedPeople {
  const query = createDirectoryQuery(pool);
  return {
    find: (emails) => query<KnownPerson & object>(FIND, [emails]),
    async make(people, act) {
      const columns = [people.map(({ id }) => id), people.map(({ email }) => email), people.map(({ name }) => name)];
      await query(MAKE, columns, act);
    },
    async tie(issuer, subjects, act) {
      await query(TIE, [issuer, subjects.map(({ subject }) => subject), subjects.map(({ personId }) => personId)], act);
    },
    async findOrganization(slug) {
      const [found] = await query<{ id: string }>(FIND_ORGANIZATION, [slug, pool.clock.movedMs]);
      return found ? brandOrgId(found.id) : null; // whether it was adopted is read in there
    },
  };
}
