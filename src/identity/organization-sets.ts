import type { Origin } from '../data/connection/act.js';
import { createDirectoryQuery } from '../data/connection/directory-query.js';
import { inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import { newId, type OrgId } from '../data/id.js';
import type { Environment, OrganizationStatus } from '../generated/enums.js';
import { type Making, makingOrganizations } from './make-organization.js';
import type { OrganizationSummary, Person } from './person.js';
import { isHeld } from './slugs.js';

/** Organizations of one company, by region and environment. */
export interface OrganizationSet {
  readonly id: string;
  readonly name: string;
  readonly base: string;
  readonly project: string;
}

/** One organization of a set, where it is or is to be. */
export interface Place {
  readonly slug: string;
  /** The region's tag. */
  readonly region: string;
  readonly environment: Environment | null;
}

/** An organization of a set, to be made here. */
export interface PlannedOrganization extends Place {
  readonly name: string;
}

export interface PlannedSet {
  readonly here: readonly PlannedOrganization[];
  /** Those of other regions, of which the names are kept. */
  readonly elsewhere: readonly Place[];
}

/** An organization of a set, as it is while the transaction holds it. */
export interface HeldOrganization {
  readonly id: string;
  readonly status: OrganizationStatus;
}

/** What else is done in the transaction that makes organizations of a set, on its connection; what it throws undoes all. */
export interface Beside {
  /**
   * Before anything is made.
   *
   * @param held those that the set has here, whose people and status stay as they are until it is over; none of a set that is made
   */
  readonly begin: (held: readonly HeldOrganization[]) => Promise<void>;
  /** Of each that was made. */
  readonly made: (organization: OrganizationSummary & { readonly id: OrgId }) => Promise<void>;
  /** Behind everything that may have waited. */
  readonly end: () => Promise<void>;
}

/** What is done with sets, outside every organization. */
export interface OrganizationSets {
  /**
   * Makes a set with its organizations, each with this OWNER, all or nothing; the same again makes nothing. Of one that has nothing
   * here it makes what is here.
   *
   * @returns null where they made a set of this base and project that has something here, and are in nothing of that, or what they are in and what
   *   they had kept elsewhere is not all of this; CONFLICT when a slug is taken
   */
  make(
    owner: Person,
    set: Omit<OrganizationSet, 'id'>,
    planned: PlannedSet,
    from: Origin,
    beside: Beside,
  ): Promise<string | null>;
  /**
   * Adds to a set what it has not yet, all or nothing.
   *
   * @param orgId of the set, at whose cost the wait for the rows of all of them is
   * @returns false where they are not an active OWNER of every organization that the set has here
   */
  extend(
    orgId: OrgId,
    owner: Person,
    set: OrganizationSet,
    planned: PlannedSet,
    from: Origin,
    beside: Beside,
  ): Promise<boolean>;
  /** What a set has here, and what of it is homed elsewhere. */
  listPlaces(setId: string): Promise<Pick<Place, 'region' | 'environment'>[]>;
  find(id: string): Promise<OrganizationSet | null>;
  findAll(ids: readonly string[]): Promise<OrganizationSet[]>;
  /** One that this person made. */
  findMade(personId: string, base: string, project: string): Promise<OrganizationSet | null>;
  /** Which of the slugs nobody can take now. */
  listTaken(slugs: readonly string[]): Promise<string[]>;
  /** What of a set is homed elsewhere, for who made that. */
  listElsewhere(personId: string, setId: string): Promise<Place[]>;
  /** In which region an organization is homed that this person may know of: who made it, or is OWNER of one of its set. */
  findElsewhere(personId: string, slug: string): Promise<{ readonly region: string } | null>;
  /** Ids of the organizations of a set that a person is an active member of. */
  listOwn(personId: string, setId: string): Promise<string[]>;
}

const SET = 'id, name, base, project';

const LIST_TAKEN = `select a.name from address a where a.name = any ($1::text[]) and ${isHeld('a', '$2')}`;

const LIST_OWNED = `
  select o.region, o.environment, m.user_id is not null as "isIn", coalesce(m.role = 'OWNER', false) as "isOwned"
  from organization o left join membership m on m.org_id = o.id and m.user_id = $2 and m.status = 'ACTIVE'
  where o.set_id = $1`;

interface OwnedPlace {
  region: string;
  environment: Environment | null;
  /** Whether they are an active member of it. */
  isIn: boolean;
  isOwned: boolean;
}

interface KeptPlace extends Place {
  /** Whether they are who had its name kept. */
  readonly isMade: boolean;
}

const isAt =
  (place: Pick<Place, 'region' | 'environment'>) =>
  ({ region, environment }: Pick<Place, 'region' | 'environment'>): boolean =>
    region === place.region && environment === place.environment;

/** Whoever makes several takes their names in one order, so that no two wait for each other. */
const inOneOrder = <P extends Place>(places: readonly P[]): P[] =>
  places.toSorted((a, b) => (a.slug < b.slug ? -1 : 1));

async function add(
  { query, make }: Making,
  set: Omit<OrganizationSet, 'name'>,
  planned: PlannedSet,
  personId: string,
  beside: Beside,
) {
  for (const { slug, name, region, environment } of inOneOrder(planned.here)) {
    await beside.made(await make({ slug, name, description: '', region, environment, set }));
  }
  for (const { slug, region, environment } of inOneOrder(planned.elsewhere)) {
    await query(
      `insert into organization_elsewhere (set_id, slug, region, environment, made_by) values ($1, $2, $3, $4, $5)
       on conflict do nothing`,
      [set.id, slug, region, environment, personId],
    );
  }
  await beside.end();
}

// Whoever changes who is in one of them, or how it stands, takes this, too.
const HOLD = 'select id, status from organization where set_id = $1 order by id for no key update';

export function openOrganizationSets(pool: ScopedPool): OrganizationSets {
  const directory = createDirectoryQuery(pool);
  const whatIsThere = async ({ query }: Pick<Making, 'query'>, setId: string, personId: string) => ({
    here: await query<OwnedPlace>(LIST_OWNED, [setId, personId]),
    elsewhere: await query<KeptPlace>(
      'select slug, region, environment, made_by = $2 as "isMade" from organization_elsewhere where set_id = $1',
      [setId, personId],
    ),
  });

  return {
    make: (owner, set, planned, from, beside) =>
      makingOrganizations(pool, owner, from, async (making) => {
        await beside.begin([]);
        // Whoever comes second waits here until the first is done.
        const [begun] = await making.query<{ id: string }>(
          `insert into organization_set (id, name, base, project, made_by) values ($1, $2, $3, $4, $5)
           on conflict (made_by, base, project) do nothing returning id`,
          [newId('set'), set.name, set.base, set.project, owner.id],
        );
        if (begun) {
          await add(making, { ...set, id: begun.id }, planned, owner.id, beside);
          return begun.id;
        }
        const [found] = await making.query<{ id: string }>(
          'select id from organization_set where made_by = $1 and base = $2 and project = $3',
          [owner.id, set.base, set.project],
        );
        if (!found) return null;
        const there = await whatIsThere(making, found.id, owner.id);
        // Nobody is in it here who could extend it: nothing of it was homed here yet, or what was is gone.
        if (there.here.length === 0 && planned.here.length > 0) {
          await add(making, { ...set, id: found.id }, planned, owner.id, beside);
          return found.id;
        }
        // Nobody learns what became of those that they are in no more, what others added here or what these keep elsewhere.
        const own = there.here.filter(({ isIn }) => isIn);
        if (there.here.length > 0 && own.length === 0) return null;
        const made = there.elsewhere.filter(({ isMade }) => isMade);
        const isAll =
          planned.here.every((place) => own.some(isAt(place))) &&
          planned.elsewhere.every((place) => made.some(isAt(place)));
        return isAll ? found.id : null;
      }),

    extend: (orgId, owner, set, planned, from, beside) =>
      inFrame({ role: 'orgate_app', orgId }, () =>
        makingOrganizations(pool, owner, from, async (making) => {
          await beside.begin(await making.query<HeldOrganization>(HOLD, [set.id]));
          const there = await whatIsThere(making, set.id, owner.id);
          if (!there.here.every(({ isOwned }) => isOwned)) return false;
          const missing = {
            here: planned.here.filter((place) => !there.here.some(isAt(place))),
            elsewhere: planned.elsewhere.filter((place) => !there.elsewhere.some(isAt(place))),
          };
          await add(making, set, missing, owner.id, beside);
          return true;
        }),
      ),

    listPlaces: (setId) =>
      directory<Place & object>(
        `select region, environment from organization where set_id = $1
         union all select region, environment from organization_elsewhere where set_id = $1`,
        [setId],
      ),

    async find(id) {
      const [found] = await directory<OrganizationSet & object>(`select ${SET} from organization_set where id = $1`, [
        id,
      ]);
      return found ?? null;
    },

    findAll: (ids) =>
      directory<OrganizationSet & object>(`select ${SET} from organization_set where id = any ($1::text[])`, [ids]),

    async findMade(personId, base, project) {
      const [found] = await directory<OrganizationSet & object>(
        `select ${SET} from organization_set where made_by = $1 and base = $2 and project = $3`,
        [personId, base, project],
      );
      return found ?? null;
    },

    async listTaken(slugs) {
      const rows = await directory<{ name: string }>(LIST_TAKEN, [slugs, pool.clock.movedMs]);
      return rows.map(({ name }) => name);
    },

    // Of twenty regions at the most, with six environments and none, a set has 140 places: all of them are here.
    listElsewhere: (personId, setId) =>
      directory<Place & object>(
        `select slug, region, environment from organization_elsewhere where made_by = $1 and set_id = $2 order by slug limit 200`,
        [personId, setId],
      ),

    async findElsewhere(personId, slug) {
      const [found] = await directory<{ region: string }>(
        `select e.region from organization_elsewhere e
         where e.slug = $2 and (e.made_by = $1 or exists (
           select from organization o join membership m on m.org_id = o.id and m.user_id = $1
           where o.set_id = e.set_id and m.role = 'OWNER' and m.status = 'ACTIVE'))
         order by e.created_at limit 1`,
        [personId, slug],
      );
      return found ?? null;
    },

    async listOwn(personId, setId) {
      const rows = await directory<{ id: string }>(
        `select o.id from organization o join membership m on m.org_id = o.id
         where o.set_id = $2 and m.user_id = $1 and m.status = 'ACTIVE' order by o.slug`,
        [personId, setId],
      );
      return rows.map(({ id }) => id);
    },
  };
}
