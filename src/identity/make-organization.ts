import pg from 'pg';
import type { Act, Origin } from '../data/connection/act.js';
import { DIRECTORY } from '../data/connection/directory-query.js';
import type { Frame } from '../data/connection/frame.js';
import { holdingOne, inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import { ROW_TYPES } from '../data/connection/pg-types.js';
import { translateDatabaseError } from '../data/database-error.js';
import type { OrgId } from '../data/id.js';
import { OrgateError, taken } from '../errors.js';
import { createFounding, type NewOrganization } from './found-organization.js';
import type { OrganizationSummary, Person } from './person.js';

/** The transaction in which organizations are made. */
export interface Making {
  /** Runs a statement as the directory. */
  readonly query: <Row extends object>(text: string, values: unknown[]) => Promise<Row[]>;
  /** Makes an organization with its address and its first OWNER. */
  readonly make: (organization: NewOrganization) => Promise<OrganizationSummary & { readonly id: OrgId }>;
}

type Maker = Pick<Person, 'id' | 'email' | 'name'>;

/** Makes organizations, all of `work` or nothing, and what is held in a transaction is held in this; CONFLICT when one's slug is taken. */
export const makingOrganizations = <T>(
  pool: ScopedPool,
  owner: Maker,
  from: Origin | undefined,
  work: (making: Making) => Promise<T>,
): Promise<T> => holdingOne(() => makeIn(pool, owner, from, work));

async function makeIn<T>(
  pool: ScopedPool,
  owner: Maker,
  from: Origin | undefined,
  work: (making: Making) => Promise<T>,
): Promise<T> {
  const act: Act = { kind: 'PERSON', id: owner.id, name: owner.name, ...from };
  const outside: Frame = { ...DIRECTORY, act };
  const client = await pool.connect();
  const founding = createFounding(pool, (each) => client.query(each));
  try {
    await client.query({ text: 'BEGIN' });
    const done = await work({
      query: async <Row>(text: string, values: unknown[]) => {
        const { rows } = await inFrame(outside, () => client.query({ text, values, types: ROW_TYPES }));
        return rows as Row[];
      },
      make: (organization) => founding.found(founding.newId(), owner, organization, act),
    });
    await client.query({ text: 'COMMIT' });
    return done;
  } catch (error) {
    await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
    const constraint = error instanceof pg.DatabaseError ? error.constraint : undefined;
    if (constraint === 'organization_set_id_region_environment_idx') {
      throw taken(undefined, 'Somebody else has just added this to the set.');
    }
    throw error instanceof OrgateError ? error : translateDatabaseError(error);
  } finally {
    client.release();
  }
}
