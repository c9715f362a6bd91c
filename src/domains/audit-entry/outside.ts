import type { Act } from '../../data/connection/act.js';
import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { Frame } from '../../data/connection/frame.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { ROW_TYPES } from '../../data/connection/pg-types.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import type { AuditAction } from './actions.js';
import { hashOf, newSalts, NO_HASH, type Sealable } from './chain.js';

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

const READ = `
  select e.number::text, e.id, e.at, e.actor_kind as "actorKind", e.actor_id as "actorId", e.actor_name as "actorName",
    e.on_behalf_of as "onBehalfOf", e.action, e.outcome, e.target_type as "targetType", e.target_id as "targetId",
    e.target_name as "targetName", e.changes, e.reason, e.request_id as "requestId", e.address,
    head.sequence::float8 as "headSequence", head.hash as "headHash"
  from audit_unsealed u join audit_entry e on e.org_id = u.org_id and e.number = u.number
    left join (select sequence, hash from audit_seal where org_id = $1 order by sequence desc limit 1) head on true
  where u.org_id = $1 order by u.number limit $2`;

const SEAL = `
  with sealed as (delete from audit_unsealed where org_id = $1 and number = any ($3::bigint[]))
  insert into audit_seal (org_id, sequence, number, hash, salts)
  select $1, $2 + place, number, hash, salts
  from unnest($3::bigint[], $4::text[], $5::jsonb[]) with ordinality as given (number, hash, salts, place)`;

/** An entry that no trigger writes: what was refused, or was no change. */
export interface OwnEntry {
  readonly act: Act;
  readonly action: AuditAction;
  readonly outcome: 'DONE' | 'REFUSED';
  readonly targetType?: string;
  readonly targetId?: string;
  readonly targetName?: string;
  /** By path, what was there and what is. */
  readonly changes?: Readonly<Record<string, readonly [unknown, unknown]>>;
  readonly reason?: string;
}

/** Writes entries of one organization, by one statement. What was refused to someone within the last minute is not told again. */
export type WriteEntries = (orgId: OrgId, entries: readonly OwnEntry[]) => Promise<void>;

const WRITE = `
  with given as (
    select value as it, value -> 'act' as act from jsonb_array_elements($2::jsonb)
  ), fresh as materialized (
    select nextval('audit_number') as number, it, act from given
    where it ->> 'outcome' = 'DONE' or not exists (
      select from audit_entry e where e.org_id = $1 and e.actor_id = act ->> 'id' and e.action = it ->> 'action'
        and e.outcome = 'REFUSED' and e.at > clock_timestamp() - interval '1 minute')
  ), told as (
    insert into audit_entry (org_id, number, actor_kind, actor_id, actor_name, on_behalf_of, action, outcome, target_type,
      target_id, target_name, changes, reason, request_id, address)
    select $1, number, act ->> 'kind', act ->> 'id', orgate_called($1, act), act ->> 'onBehalfOf', it ->> 'action',
      it ->> 'outcome', it ->> 'targetType', it ->> 'targetId', it ->> 'targetName', it -> 'changes',
      coalesce(it ->> 'reason', act ->> 'reason'), act ->> 'requestId', act ->> 'address'
    from fresh
  )
  insert into audit_unsealed (org_id, number) select $1, number from fresh`;

export const openEntryWriter =
  (pool: ScopedPool): WriteEntries =>
  async (orgId, entries) => {
    await inFrame({ role: 'orgate_app', orgId }, () =>
      pool.query({ text: WRITE, values: [orgId, JSON.stringify(entries)] }),
    );
  };

type WaitingEntry = Sealable & {
  readonly number: string;
  readonly headSequence: number | null;
  readonly headHash: string | null;
};

export function openSealing(pool: ScopedPool): Sealing {
  const query = createDirectoryQuery(pool);
  return {
    async listWaiting(behind, most) {
      const rows = await query<{ orgId: string }>(WAITING, [behind, most]);
      return rows.map(({ orgId }) => (orgId === '' ? '' : brandOrgId(orgId)));
    },

    async seal(of, most) {
      const frame: Frame = { role: 'orgate_sealer', orgId: of };
      const { rows } = await inFrame(frame, () =>
        pool.query<WaitingEntry>({ text: READ, values: [of, most], types: ROW_TYPES }),
      );
      const [first] = rows;
      if (!first) return 0;
      const head = first.headSequence ?? 0;
      let before = first.headHash ?? NO_HASH;
      const links = rows.map((entry, index) => {
        const salts = newSalts(entry);
        before = hashOf(entry, { before, sequence: head + index + 1, salts });
        return { number: entry.number, hash: before, salts: JSON.stringify(salts) };
      });
      const columns = [
        links.map(({ number }) => number),
        links.map(({ hash }) => hash),
        links.map(({ salts }) => salts),
      ];
      await inFrame(frame, () => pool.query({ text: SEAL, values: [of, head, ...columns] })).catch(ignoreTaken);
      return rows.length;
    },
  };
}

/** Another replica took the next place in the chain first. */
function ignoreTaken(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === '23505')) throw error;
}
