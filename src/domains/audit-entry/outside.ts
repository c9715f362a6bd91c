import type { Act } from '../../data/connection/act.js';
import { createDirectoryQuery, DIRECTORY } from '../../data/connection/directory-query.js';
import type { Frame } from '../../data/connection/frame.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { ROW_TYPES } from '../../data/connection/pg-types.js';
import { translateDatabaseError } from '../../data/database-error.js';
import { brandOrgId, idPrefix, type OrgId } from '../../data/id.js';
import type { AuditOutcome } from '../../generated/enums.js';
import { type Page, pageOf } from '../../identity/page.js';
import { Thread } from '../../jobs/thread.js';
import { NO_HASH, type Salt, saltsOfErased, type Sealable } from './chain.js';
import type { AuditEntryParent } from './parent.js';
import { type Chain, type ChainHead, STRETCH } from './read-chain.js';
import { type Batch, type Links, sealBatch } from './seal-batch.js';

/** Whose record: an organization's, or with '' that of the deployment. */
export type RecordOf = OrgId | '';

/** Chains what was committed. */
export interface Sealing {
  /** Records with entries that wait, up to so many, in order: from the first on, the deployment's, or behind one of them. */
  listWaiting(behind: RecordOf | null, most: number): Promise<RecordOf[]>;
  /**
   * Seals the entries of a record that wait, in the order of their numbers, so many at the most. Of two that seal at once one
   * does: the next place in the chain is taken once.
   *
   * @returns how many it read; fewer than asked for when none is left
   */
  seal(of: RecordOf, most: number): Promise<number>;
}

// From one record to the next by the index, however many entries each has.
const WAITING = `
  with recursive waiting as (
    (select org_id, 1 as place from audit_unsealed where $1::text is null or org_id > $1 order by org_id limit 1)
    union all
    select (select u.org_id from audit_unsealed u where u.org_id > w.org_id order by u.org_id limit 1), w.place + 1
    from waiting w where w.org_id is not null and w.place < $2
  )
  select org_id as "orgId" from waiting where org_id is not null`;

const ENTRY = `e.id, e.at, e.actor_kind as "actorKind", e.actor_id as "actorId", e.actor_name as "actorName",
  e.on_behalf_of as "onBehalfOf", e.action, e.outcome, e.target_type as "targetType", e.target_id as "targetId",
  e.target_name as "targetName", e.changes, e.reason, e.request_id as "requestId", e.address`;

// What waits was written with its entry: one that is gone was taken, and its place in the chain tells so. Each is read
// by its key: left to itself, PostgreSQL would soon read all that there are. As one text, which the thread that everybody waits for only
// hands on.
const READ = `
  select waiting.count, waiting.entries, coalesce(head.sequence, 0)::float8 as sequence, coalesce(head.hash, '${NO_HASH}') as hash
  from (
    select count(*)::int as count, json_agg(each)::text as entries from (
      select u.number, found.*
      from (select number from audit_unsealed where org_id = $1 order by number limit $2) u
        left join lateral (
          select ${ENTRY} from audit_entry e where e.org_id = $1 and e.number = u.number offset 0) found on true
      order by u.number
    ) each
  ) waiting
    left join (select sequence, hash from audit_seal where org_id = $1 order by sequence desc limit 1) head on true`;

// Between the first and the last of the batch, or PostgreSQL would go through all that wait to find these.
const SEAL = `
  with sealed as (
    delete from audit_unsealed where org_id = $1 and number = any ($3::bigint[])
      and number between ($3::bigint[])[1] and ($3::bigint[])[cardinality($3::bigint[])])
  insert into audit_seal (org_id, sequence, number, hash, salts)
  select $1, $2 + place, number, hash, salts
  from unnest($3::bigint[], $4::text[], $5::jsonb[]) with ordinality as given (number, hash, salts, place)`;

/** An entry that no trigger writes: what was refused, or was no change. */
export interface OwnEntry {
  readonly act: Act;
  /** A word of the record. */
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly targetType?: string;
  readonly targetId?: string;
  readonly targetName?: string;
  /** By path, what was there and what is. */
  readonly changes?: Readonly<Record<string, readonly [unknown, unknown]>>;
  readonly reason?: string;
  /** As an interval: whoever did the same for the same member within it is not told of again. */
  readonly onceIn?: string;
}

/** Writes entries of one organization, by one statement; of one that is gone, none. */
export type WriteEntries = (orgId: OrgId, entries: readonly OwnEntry[]) => Promise<void>;

// What is compared is read before: behind row-level security nothing else is looked for by an index. All that an organization has was gone
// through for each entry, and by what that would cost the whole of it was compiled first, which took half a second.
const WRITE = `
  with given as materialized (
    select value as it, value -> 'act' as act, value #>> '{act,id}' as actor_id, value ->> 'action' as action,
      (value ->> 'onceIn')::interval as once_in
    from jsonb_array_elements($2::jsonb)
  ), fresh as materialized (
    select nextval('audit_number') as number, it, act from given
    where orgate_takes_entries($1) and (once_in is null or not exists (
      select from audit_entry e where e.org_id = $1 and e.actor_id = given.actor_id and e.action = given.action
        and e.on_behalf_of is not distinct from act ->> 'onBehalfOf' and e.outcome = it ->> 'outcome' and e.at > clock_timestamp() - once_in))
  ), told as (
    insert into audit_entry (org_id, number, actor_kind, actor_id, actor_name, on_behalf_of, action, outcome, target_type,
      target_id, target_name, changes, reason, request_id, address)
    select $1, number, act ->> 'kind', act ->> 'id', orgate_called($1, act), act ->> 'onBehalfOf', it ->> 'action',
      it ->> 'outcome', it ->> 'targetType', it ->> 'targetId', it ->> 'targetName', it -> 'changes',
      coalesce(it ->> 'reason', act ->> 'reason'), act ->> 'requestId', act ->> 'address'
    from fresh
  )
  insert into audit_unsealed (org_id, number) select $1, number from fresh`;

const createEntryWriter =
  (run: (statement: { text: string; values: unknown[] }) => Promise<unknown>): WriteEntries =>
  async (orgId, entries) => {
    await inFrame({ role: 'orgate_app', orgId }, () => run({ text: WRITE, values: [orgId, JSON.stringify(entries)] }));
  };

export const openEntryWriter = (pool: ScopedPool): WriteEntries => createEntryWriter((each) => pool.query(each));

/** The same in the transaction that it is called in, which is what is told. */
export const openHeldEntryWriter = (pool: ScopedPool): WriteEntries =>
  createEntryWriter((each) => pool.queryHeld(each));

/** So little is chained at once: a millisecond. What is longer others would wait for, and a thread of its own takes. */
const SHORT = 16_384;
const THREAD = new URL('seal-thread.js', import.meta.url);

/** What somebody outside an organization sees of it, and is told of in its record once a day. */
export interface Visit {
  readonly action: 'organization.seen' | 'organization.usage_seen';
  readonly act: Act;
  /** As what they look, where that is not told by the action. */
  readonly targetType?: string;
  readonly targetId?: string;
  readonly targetName?: string;
}

/** Tells each of so many organizations of it, by one statement. To be awaited before anything is shown. */
export type TellVisit = (organizations: readonly string[], visit: Visit) => Promise<void>;

// Those that do not know yet; whose end has begun are told nothing any more.
const UNTOLD = `
  select o.id from organization o where o.id = any ($1::text[]) and o.purge_began_at is null and not exists (
    select from audit_entry e where e.org_id = o.id and e.actor_id = $2 and e.action = $3
      and e.at > clock_timestamp() - interval '1 day')`;

const ONE_AT_A_TIME = 'select pg_advisory_xact_lock(hashtextextended($1, 0))';

const TELL = `
  with fresh as materialized (
    select nextval('audit_number') as number, untold.id as org_id from (${UNTOLD}) untold
    where orgate_takes_entries(untold.id)
  ), told as (
    insert into audit_entry (org_id, number, actor_kind, actor_id, actor_name, action, target_type, target_id, target_name,
      request_id, address)
    select org_id, number, $4, $2, $5, $3, $6, $7, $8, $9, $10 from fresh
  )
  insert into audit_unsealed (org_id, number) select org_id, number from fresh`;

export function openVisits(pool: ScopedPool): TellVisit {
  const query = createDirectoryQuery(pool);
  return async (organizations, { action, act, targetType, targetId, targetName }) => {
    if (organizations.length === 0) return;
    const who = [organizations, act.id, action];
    if ((await query(`${UNTOLD} limit 1`, who)).length === 0) return;
    const client = await pool.connect();
    const run = (text: string, values: unknown[]) => inFrame(DIRECTORY, () => client.query({ text, values }));
    try {
      await client.query({ text: 'BEGIN' });
      // Of two requests of one person the second sees what the first wrote, and is not told again.
      await run(ONE_AT_A_TIME, [`${action} ${act.id ?? ''}`]);
      const target = [targetType, targetId, targetName].map((each) => each ?? null);
      await run(TELL, [...who, act.kind, act.name, ...target, act.requestId ?? null, act.address ?? null]);
      await client.query({ text: 'COMMIT' });
    } catch (error) {
      await client.query({ text: 'ROLLBACK' }).catch(() => undefined);
      throw translateDatabaseError(error);
    } finally {
      client.release();
    }
  };
}

export function openSealing(pool: ScopedPool): Sealing {
  const query = createDirectoryQuery(pool);
  // That it ended is told by the round that asked it.
  const thread = new Thread<Batch, Links>(THREAD, () => undefined);
  return {
    async listWaiting(behind, most) {
      const rows = await query<{ orgId: string }>(WAITING, [behind, most]);
      return rows.map(({ orgId }) => (orgId === '' ? '' : brandOrgId(orgId)));
    },

    async seal(of, most) {
      const frame: Frame = { role: 'orgate_sealer', orgId: of };
      const { rows } = await inFrame(frame, () =>
        pool.query<Batch & { readonly count: number }>({ text: READ, values: [of, most], isPlannedByIndex: true }),
      );
      const [batch] = rows;
      if (!batch || batch.count === 0) return 0;
      const { count, ...waiting } = batch;
      const links = waiting.entries.length < SHORT ? sealBatch(waiting) : await thread.ask(waiting, []);
      const values = [of, waiting.sequence, links.numbers, links.hashes, links.salts];
      await inFrame(frame, () => pool.query({ text: SEAL, values, isPlannedByIndex: true })).catch(ignoreTaken);
      return count;
    },
  };
}

/** Another replica took the next place in the chain first. */
function ignoreTaken(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === '23505')) throw error;
}

/** Which entries of the deployment's record. */
export interface DeploymentFilter {
  readonly actorId?: string | null | undefined;
  readonly action?: string | null | undefined;
  readonly targetId?: string | null | undefined;
  readonly outcome?: string | null | undefined;
  readonly from?: Date | null | undefined;
  readonly before?: Date | null | undefined;
}

/** The record of what belongs to no organization; for system administrators. */
export interface DeploymentRecord {
  list(page: Page, filter: DeploymentFilter): Promise<AuditEntryParent[]>;
  count(filter: DeploymentFilter): Promise<number>;
}

/** Written for what is given: of a filter that may be there or not no kept plan uses its index. */
function ofDeployment(
  { actorId, action, targetId, outcome, from, before }: DeploymentFilter,
  values: unknown[],
): string {
  const given = [
    ['e.actor_id =', actorId],
    ['e.action =', action],
    ['e.target_id =', targetId],
    ['e.outcome =', outcome],
    ['e.at >=', from],
    ['e.at <', before],
  ] as const;
  const conditions = given.flatMap(([is, value]) => (value == null ? [] : [` and ${is} $${values.push(value)}`]));
  return `e.org_id = ''${conditions.join('')}`;
}

type FoundEntry = Omit<AuditEntryParent, 'sealed'> & { readonly sequence: bigint | null; readonly hash: string | null };

export function openDeploymentRecord(pool: ScopedPool): DeploymentRecord {
  // As those of an organization's: a kept plan knows neither what is rare nor what was refused.
  const query = createDirectoryQuery(pool, { isPlannedAnew: true });
  return {
    async list(page, filter) {
      const values: unknown[] = [];
      const where = ofDeployment(filter, values);
      const rows = await query<FoundEntry>(
        `select ${ENTRY}, s.sequence, s.hash from audit_entry e
         left join audit_seal s on s.org_id = e.org_id and s.number = e.number
         where ${where}${pageOf({ at: 'e.at', id: 'e.id' }, page, values)}`,
        values,
      );
      return rows.map(({ sequence, hash, ...entry }) => ({
        ...entry,
        sealed: sequence === null || hash === null ? null : { sequence, hash },
      }));
    },

    async count(filter) {
      const values: unknown[] = [];
      const where = ofDeployment(filter, values);
      const text = `select count(*)::int as count from audit_entry e where ${where}`;
      const [row] = await query<{ count: number }>(text, values);
      return row?.count ?? 0;
    },
  };
}

const HEAD = `select sequence, hash from audit_seal where org_id = '' order by sequence desc limit 1`;
const HASH_AT = `select hash from audit_seal where org_id = '' and sequence = $1`;
const LINKS = `
  select s.sequence, s.hash, s.salts, ${ENTRY}
  from audit_seal s left join audit_entry e on e.org_id = s.org_id and e.number = s.number
  where s.org_id = '' and s.sequence between $1 and $2 order by s.sequence limit ${STRETCH}`;

type FoundLink = ChainHead & { readonly salts: unknown } & (Sealable | { readonly id: null });

/** The chain of the deployment's own record. */
export function openDeploymentChain(pool: ScopedPool): Chain {
  const query = createDirectoryQuery(pool);
  return {
    head: async () => (await query<ChainHead>(HEAD))[0] ?? null,
    hashAt: async (sequence) => (await query<ChainHead>(HASH_AT, [sequence]))[0]?.hash ?? null,
    links: async (from, to) =>
      new Map(
        (await query<FoundLink>(LINKS, [from, to])).map(({ sequence, hash, salts, ...entry }) => [
          Number(sequence),
          { seal: { sequence, hash, salts }, entry: entry.id === null ? undefined : entry },
        ]),
      ),
  };
}

/** Erases what the record of an organization says of people and things, whose grace is over. */
export interface Erasing {
  /** The next places that were not erased yet. @returns whether there were any */
  eraseMore(orgId: OrgId): Promise<boolean>;
}

const ERASABLE = `
  select s.sequence, s.number::text, s.salts, ${ENTRY} from audit_seal s
  left join audit_entry e on e.org_id = s.org_id and e.number = s.number
  where s.org_id = $1 and s.sequence > (select purged_to from organization where id = $1)
  order by s.sequence limit ${STRETCH}`;

const ERASE = `
  with given as (
    select * from unnest($2::bigint[], $3::jsonb[]) as given (number, salts)
  ), reached as (
    update organization set purged_to = greatest(purged_to, $4) where id = $1
  ), sealed as (
    update audit_seal s set salts = given.salts from given where s.org_id = $1 and s.number = given.number
  )
  update audit_entry e set actor_id = null, actor_name = null, on_behalf_of = null, target_id = null, target_name = null,
    changes = null, reason = null, request_id = null, address = null
  from given where e.org_id = $1 and e.number = given.number`;

type ErasableEntry = (Sealable | { readonly id: null }) & {
  readonly sequence: bigint;
  readonly number: string;
  readonly salts: Salt[];
};

export const openErasing = (pool: ScopedPool): Erasing => ({
  async eraseMore(orgId) {
    const frame: Frame = { role: 'orgate_purger', orgId };
    const { rows } = await inFrame(frame, () =>
      pool.query<ErasableEntry>({ text: ERASABLE, values: [orgId], types: ROW_TYPES }),
    );
    const last = rows.at(-1);
    if (!last) return false;
    const there = rows.filter((row): row is ErasableEntry & Sealable => row.id !== null);
    const numbers = there.map(({ number }) => number);
    const salts = there.map((row) => JSON.stringify(saltsOfErased(row, row.salts)));
    await inFrame(frame, () => pool.query({ text: ERASE, values: [orgId, numbers, salts, last.sequence] }));
    return true;
  },
});

/** Whose record an id names; null of what is no id. For whoever runs the deployment. */
export const openNamedRecord =
  (_pool: ScopedPool) =>
  (organizationId: string): OrgId | null =>
    idPrefix(organizationId) === 'org' ? brandOrgId(organizationId) : null;
