import { createDirectoryQuery, createHeldDirectoryQuery } from '../data/connection/directory-query.js';
import { inFrame, type ScopedPool } from '../data/connection/org-connection.js';
import { ROW_TYPES } from '../data/connection/pg-types.js';
import { brandOrgId, newId, type OrgId } from '../data/id.js';
import { frameOf } from '../data/organization/scope.js';
import type { PlanWeights } from '../permissions/features.js';
import type { DueWork, OwedKind } from './due-kind.js';
import { type HadTurn, PlanTurns, STEP } from './plan-turns.js';

/** Work that was taken for one attempt: nobody else takes it until its wait is over. */
export interface TakenWork extends DueWork {
  readonly kind: string;
  /** When it was taken: tells this attempt from every other. */
  readonly takenAt: Date;
  /** Which attempt it is, from 1. */
  readonly attempts: number;
}

/** How much of a kind may be taken now. */
export interface Room {
  readonly kind: string;
  readonly free: number;
  /** How much of it is done at once, by all together. */
  readonly atOnce: number;
}

/** How many of a kind an organization has. */
export interface Held {
  readonly kind: string;
  readonly orgId: OrgId;
  readonly count: number;
}

/** How much of a kind there is: due, being done, waiting to be tried again, or given up since nobody can read it. */
export interface DueCount {
  readonly kind: string;
  readonly state: 'due' | 'running' | 'failed' | 'given_up';
  readonly count: number;
  /** Of what is due, how long the first has been. */
  readonly oldestSeconds: number;
}

/** Whose turn work is: each step one statement, by the database's clock alone. */
export interface SharedOutWork {
  /**
   * Takes what is due: of each organization what was due first, in turn between them by what their plans weigh, from one call to the next.
   * Whoever has its share of what is done at once waits for those that have less, and some is kept free for who comes. What two ask for at once one
   * of them gets. When the next attempt may be is written down before this one has begun: seconds later
   * the first time, in case this process is killed; after that, one that is never told the end of waits as one that failed.
   */
  take(rooms: readonly Room[], held: readonly Held[], weights: PlanWeights): Promise<TakenWork[]>;
  /** Takes what was just written, before others look for it. @returns null when it is gone, another's, or stopped */
  takeOne(work: DueWork): Promise<TakenWork | null>;
  /** Says that the attempt is still under way: nobody else takes it for some seconds more. */
  extend(work: TakenWork): Promise<void>;
  /** Lets go on what was stopped with its organization, where that is active again. */
  resume(): Promise<void>;
  count(kinds: readonly string[]): Promise<DueCount[]>;
}

/** The deployment's own. */
export interface OwedWork {
  /** In the transaction that is its reason. Of each kind there is one for a subject: what was asked last counts. */
  owe(kind: Pick<OwedKind, 'name'>, subject: string, dueAt: Date): Promise<void>;
  take(rooms: readonly Room[]): Promise<TakenOwedWork[]>;
  extend(work: TakenOwedWork): Promise<void>;
  /** In the transaction that it is called in. @returns whether it was still this attempt's */
  settle(work: TakenOwedWork, again: Date | null): Promise<boolean>;
  end(work: TakenOwedWork, again: Date | null): Promise<boolean>;
  /** Leaves it to be tried again. */
  putOff(work: TakenOwedWork, until: Date): Promise<void>;
  count(kinds: readonly string[]): Promise<DueCount[]>;
}

export interface TakenOwedWork {
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  readonly takenAt: Date;
  readonly attempts: number;
}

/** The database's time, and by how much a test or whoever develops moved it. */
const NOW = `(current_timestamp + $1 * interval '1 millisecond')`;
/** How long an attempt is left alone that says nothing more. */
const LEFT_ALONE = `interval '15 seconds'`;
const UNTIL_NEXT = `case attempts when 0 then ${LEFT_ALONE}
  else least(interval '1 minute' * 2 ^ least(attempts + 1, 20), interval '6 hours') end`;

/** So much of each kind is looked at; where that is not all, the first of so many organizations are looked for, those behind the last ones next. */
const LOOKED_AT = 500;
const ORGANIZATIONS = 1000;

// What a plan weighs is told over the least: beside one that weighs 1, whoever weighs 3 has three of four places. Whoever has fewer places than it
// weighs among all is first, and of those, and of the rest, whose turn it is.
const TAKE = `
  with recursive room as (
    select * from unnest($2::text[], $3::int[], $4::int[], $5::text[], $6::float8[], $7::jsonb[], $8::jsonb[])
      as given (kind, free, at_once, behind, now, held, later)
  ), early as (
    select due.* from room cross join lateral (
      select kind, org_id, id, due_at from due_work
      where kind = room.kind and not stopped and due_at <= ${NOW} order by due_at limit ${LOOKED_AT}
    ) due
  ), organizations (kind, org_id, number) as (
    select kind, behind, 0 from early join room using (kind) group by kind, behind having count(*) = ${LOOKED_AT}
    union all
    select kind, (select due.org_id from due_work due where due.kind = before.kind and not due.stopped
      and due.org_id > before.org_id order by due.org_id limit 1), number + 1
    from organizations before where org_id is not null and number < ${ORGANIZATIONS}
  ), later as (
    select due.* from organizations cross join lateral (
      select kind, org_id, id, due_at from due_work
      where kind = organizations.kind and org_id = organizations.org_id and not stopped and due_at <= ${NOW}
      order by due_at limit 5
    ) due
  ), seen as (
    select * from early union select * from later
  ), ranked as (
    select seen.*, row_number() over (partition by kind, org_id order by due_at, id) as number from seen
  ), known as materialized (
    select ranked.*, room.free, room.at_once, o.status = 'ACTIVE' as goes, coalesce(($9::jsonb ->> o.plan)::float8, 1) as weight,
      number + coalesce((room.held ->> ranked.org_id)::int, 0) as place,
      greatest(room.now, (room.later ->> ranked.org_id)::float8) as next
    from ranked join room using (kind) join organization o on o.id = ranked.org_id where number <= at_once
  ), weighed as (
    select known.*, ${STEP} / weight as step, sum(weight) filter (where number = 1) over (partition by kind) as weights
    from known where goes
  ), turns as (
    select org_id, id, free, next + (number - 1) * step as start, step, row_number() over (partition by kind
      order by place > ceil(at_once * weight / weights), next + (number - 1) * step, due_at, id) as turn
    from weighed where place <= greatest(1, least(at_once - 1, ceil(at_once * weight / (weight + 1))))
  ), stopping as (
    update due_work due set stopped = true from known join ranked using (kind, org_id)
    where known.number = 1 and not known.goes and due.org_id = ranked.org_id and due.id = ranked.id
  ), free as (
    select due.org_id, due.id, start, start + step as next from turns join due_work due on due.org_id = turns.org_id and due.id = turns.id
    where turn <= turns.free and due.due_at <= ${NOW} and not due.stopped
    for update of due skip locked
  ), taken as (
    update due_work due set attempts = attempts + 1, taken_at = ${NOW}, wanted_at = null, due_at = ${NOW} + ${UNTIL_NEXT}
    from free where due.org_id = free.org_id and due.id = free.id
    returning due.org_id, due.id, due.kind, due.taken_at, due.attempts, start, next
  )
  select room.kind, taken.org_id as "orgId", taken.id, taken.taken_at as "takenAt", taken.attempts, start, next,
    (select case when count(*) > count(org_id) then '' else max(org_id) end
     from organizations reached where reached.kind = room.kind) as reached
  from room left join taken using (kind)`;

const TAKE_ONE = `
  update due_work set attempts = attempts + 1, taken_at = ${NOW}, wanted_at = null, due_at = ${NOW} + ${UNTIL_NEXT}
  where org_id = $2 and id = $3 and (attempts = 0 or due_at <= ${NOW})
    and exists (select from organization where id = $2 and status = 'ACTIVE')
  returning kind, taken_at as "takenAt", attempts`;

const EXTEND = `
  update due_work set due_at = greatest(due_at, ${NOW} + ${LEFT_ALONE})
  where org_id = $2 and id = $3 and taken_at = $4`;

// From one organization to the next by the index, however much each has.
const RESUME = `
  with recursive waiting (org_id) as (
    select ''
    union all
    select (select due.org_id from due_work due where due.stopped and due.given_up_at is null
      and due.org_id > waiting.org_id order by due.org_id limit 1)
    from waiting where org_id is not null
  )
  update due_work due set stopped = false from waiting join organization o on o.id = waiting.org_id
  where o.status = 'ACTIVE' and due.org_id = o.id and due.stopped and due.given_up_at is null`;

const count = (table: string, isShared: string): string => `
  with kinds as (select unnest($2::text[]) as kind)
  select kind, 'due' as state, count(*)::int, coalesce(extract(epoch from ${NOW} - min(due_at)), 0)::float8 as "oldestSeconds"
  from ${table} join kinds using (kind) where due_at <= ${NOW} ${isShared} group by kind
  union all
  select kind, case when taken_at is null then 'failed' else 'running' end, count(*)::int, 0
  from ${table} join kinds using (kind) where attempts > 0 and due_at > ${NOW} ${isShared} group by 1, 2`;

/** Of whatever kind: what no release knows any more is here, too. */
const GIVEN_UP = `
  union all
  select kind, 'given_up', count(*)::int, 0 from due_work where given_up_at is not null group by kind`;

export function openSharedOutWork(pool: ScopedPool): SharedOutWork {
  const query = createDirectoryQuery(pool);
  const moved = () => pool.clock.movedMs;
  const inside = ({ orgId, id }: DueWork, text: string, values: unknown[] = []) =>
    inFrame(frameOf(orgId), () =>
      pool.query<Omit<TakenWork, keyof DueWork>>({
        text,
        values: [moved(), orgId, id, ...values],
        types: ROW_TYPES,
      }),
    );
  const turnsOf = new Map<string, PlanTurns>();
  return {
    async take(rooms, held, weights) {
      const turns = rooms.map(({ kind }) => {
        const known = turnsOf.get(kind) ?? new PlanTurns();
        turnsOf.set(kind, known);
        return known;
      });
      const rows = await query<TakenRow | NoneTaken>(TAKE, [
        moved(),
        ...columns(rooms),
        rooms.map(({ atOnce }) => atOnce),
        turns.map(({ behind }) => behind),
        turns.map(({ now }) => now),
        rooms.map(({ kind }) =>
          byOrganization(held.filter((each) => each.kind === kind).map(({ orgId, count }) => [orgId, count])),
        ),
        turns.map(({ later }) => byOrganization(later)),
        JSON.stringify(overLeast(weights)),
      ]);
      const taken = rows.filter((row) => row.id !== null);
      for (const [at, { kind, free }] of rooms.entries()) {
        const reached = rows.find((row) => row.kind === kind)?.reached ?? null;
        turns[at]?.note(
          free,
          taken.filter((row) => row.kind === kind),
          reached,
        );
      }
      return taken.map(({ orgId, id, kind, takenAt, attempts }) => ({
        orgId: brandOrgId(orgId),
        id,
        kind,
        takenAt,
        attempts,
      }));
    },
    async takeOne(work) {
      const { rows } = await inside(work, TAKE_ONE);
      const [row] = rows;
      return row ? { ...work, ...row } : null;
    },
    async extend(work) {
      await inside(work, EXTEND, [work.takenAt]);
    },
    async resume() {
      await query(RESUME);
    },
    count: (kinds) => query<DueCount>(`${count('due_work', 'and not stopped')} ${GIVEN_UP}`, [moved(), kinds]),
  };
}

type TakenRow = Omit<TakenWork, 'orgId'> & HadTurn & { readonly reached: string | null };
interface NoneTaken {
  readonly kind: string;
  readonly id: null;
  readonly reached: string | null;
}

/** How many times as much each plan weighs as the one that weighs least. */
function overLeast(weights: PlanWeights): Readonly<Record<string, number>> {
  const least = Math.min(...Object.values(weights));
  return Object.fromEntries(Object.entries(weights).map(([plan, weight]) => [plan, weight / least]));
}

const byOrganization = (values: Iterable<readonly [string, number]>): string =>
  JSON.stringify(Object.fromEntries(values));

const columns = (rooms: readonly Room[]): unknown[] => [rooms.map(({ kind }) => kind), rooms.map(({ free }) => free)];

const OWE = `
  insert into owed_work (id, kind, subject, due_at) values ($1, $2, $3, $4)
  on conflict (kind, subject) do update set
    attempts = case when owed_work.taken_at is null then 0 else owed_work.attempts end,
    due_at = case when owed_work.taken_at is null then excluded.due_at else owed_work.due_at end,
    wanted_at = case when owed_work.taken_at is not null then excluded.due_at end`;

const TAKE_OWED = `
  with turns as (
    select due.id, room.free, row_number() over (partition by kind order by due_at) as turn
    from unnest($2::text[], $3::int[]) as room (kind, free) cross join lateral (
      select id, due_at from owed_work where kind = room.kind and due_at <= ${NOW} order by due_at limit ${LOOKED_AT}
    ) due
  ), free as (
    select owed.id from turns join owed_work owed on owed.id = turns.id
    where turn <= turns.free and owed.due_at <= ${NOW} for update of owed skip locked
  )
  update owed_work owed set attempts = attempts + 1, taken_at = ${NOW}, wanted_at = null, due_at = ${NOW} + ${UNTIL_NEXT}
  from free
  where owed.id = free.id
  returning owed.id, owed.kind, owed.subject, owed.taken_at as "takenAt", owed.attempts`;

const EXTEND_OWED = `
  update owed_work set due_at = greatest(due_at, ${NOW} + ${LEFT_ALONE})
  where id = $2 and taken_at = $3`;

const MINE = `id = $1 and taken_at = $2`;
const END_OWED = `delete from owed_work where ${MINE} and wanted_at is null`;
const AGAIN_OWED = `
  update owed_work set due_at = least(wanted_at, $3::timestamptz), wanted_at = null, taken_at = null, attempts = 0 where ${MINE}`;
const PUT_OFF_OWED = `update owed_work set due_at = $3, taken_at = null where ${MINE}`;

export function openOwedWork(pool: ScopedPool): OwedWork {
  const query = createDirectoryQuery(pool);
  const held = createHeldDirectoryQuery(pool);
  const moved = () => pool.clock.movedMs;
  const ending =
    (ask: typeof query) =>
    async ({ id, takenAt }: TakenOwedWork, again: Date | null): Promise<boolean> => {
      if (again === null && (await ask(`${END_OWED} returning id`, [id, takenAt])).length > 0) return true;
      return (await ask(`${AGAIN_OWED} returning id`, [id, takenAt, again])).length > 0;
    };
  return {
    async owe({ name }, subject, dueAt) {
      await held(OWE, [newId('owe'), name, subject, dueAt]);
    },
    take: (rooms) => query<TakenOwedWork>(TAKE_OWED, [moved(), ...columns(rooms)]),
    async extend({ id, takenAt }) {
      await query(EXTEND_OWED, [moved(), id, takenAt]);
    },
    settle: ending(held),
    end: ending(query),
    async putOff({ id, takenAt }, until) {
      await query(PUT_OFF_OWED, [id, takenAt, until]);
    },
    count: (kinds) => query<DueCount>(count('owed_work', ''), [moved(), kinds]),
  };
}

/** Where replicas tell each other what happens. */
export const NEWS_CHANNEL = 'orgate_news';

/** Tells the other replicas, outside any transaction. */
export function openNotify(pool: ScopedPool): (payload: string) => Promise<void> {
  const query = createDirectoryQuery(pool);
  return async (payload) => void (await query(`select pg_notify('${NEWS_CHANNEL}', $1)`, [payload]));
}
