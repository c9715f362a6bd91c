import pg from 'pg';
import type { Act } from '../data/connection/act.js';
import { DIRECTORY } from '../data/connection/directory-query.js';
import type { Frame } from '../data/connection/frame.js';
import { inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import { brandOrgId, newId, type OrgId } from '../data/id.js';
import { taken } from '../errors.js';
import type { Environment } from '../generated/enums.js';
import type { OrganizationSummary, Person } from './person.js';
import { FREE_SLUG } from './slugs.js';

/** An organization to be. */
export interface NewOrganization {
  readonly name: string;
  readonly slug: string;
  readonly description: string;
  /** The tag of the region here; none where nobody said which that is. */
  readonly region?: string | null;
  readonly environment?: Environment | null;
  readonly set?: { readonly id: string; readonly base: string; readonly project: string } | null;
}

/** Who is to be its first OWNER, and what they are called there. */
type Founder = Pick<Person, 'id' | 'email' | 'name'>;

/** Makes organizations in a transaction of theirs. */
export interface Founding {
  /** The id of one to be: nobody else knows it yet, and whoever makes it is its first member. */
  newId(): OrgId;
  /**
   * Makes it with its address and its first OWNER, in the transaction that this is called in.
   *
   * @throws CONFLICT when its slug is taken
   */
  found(
    orgId: OrgId,
    owner: Founder,
    organization: NewOrganization,
    act: Act,
  ): Promise<OrganizationSummary & { readonly id: OrgId }>;
}

/** Runs a statement in the transaction in which an organization is made. */
type RunFounding = (statement: { readonly text: string; readonly values: unknown[] }) => Promise<unknown>;

const MAKE = `
  insert into organization (id, name, slug, description, created_at, updated_at, set_id, base, project, region, environment)
  values ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10)`;
const NAME_IT = `insert into address (name, kind, org_id) values ($1, 'SLUG', $2)`;
const OWN = `
  insert into membership (org_id, user_id, email, name, role, status, joined_at) values ($1, $2, $3, $4, 'OWNER', 'ACTIVE', $5)`;

export const createFounding = (pool: ScopedPool, statement: RunFounding): Founding => ({
  newId: () => brandOrgId(newId('org')),

  async found(orgId, owner, { name, slug, description, region = null, environment = null, set }, act) {
    const [setId, base, project] = [set?.id ?? null, set?.base ?? null, set?.project ?? null];
    const place = { setId, base, project, region, environment };
    const summary = { id: orgId, name, slug, status: 'ACTIVE' as const, createdAt: pool.clock.now(), ...place };
    const placed = [setId, base, project, region, environment];
    const inside: Frame = { role: 'orgate_app', orgId, act };
    const outside: Frame = { ...DIRECTORY, act };
    const run = (frame: Frame, text: string, values: unknown[]) => inFrame(frame, () => statement({ text, values }));
    try {
      await run(outside, MAKE, [orgId, name, slug, description, summary.createdAt, ...placed]);
      await run(outside, FREE_SLUG, [slug, pool.clock.movedMs]);
      await run(outside, NAME_IT, [slug, orgId]);
      await run(inside, OWN, [orgId, owner.id, owner.email, owner.name, summary.createdAt]);
    } catch (error) {
      const isTaken = error instanceof pg.DatabaseError && error.constraint === 'address_pkey';
      throw isTaken ? taken('slug', 'This slug is already taken.') : error;
    }
    return summary;
  },
});

/** The same on the connection of a transaction of the organization's own database, which opens to its id before it is there. */
export const openHeldFounding = (pool: ScopedPool): Founding => createFounding(pool, (each) => pool.queryHeld(each));
