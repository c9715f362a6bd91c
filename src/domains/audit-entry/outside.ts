import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { Frame } from '../../data/connection/frame.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { ROW_TYPES } from '../../data/connection/pg-types.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import { hashOf, hashOfGone, newSalts, NO_HASH, type Sealable } from './chain.js';

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
// by its key: left to itself, PostgreSQL would soon read all that there are.
const READ = `
  select u.number::text, found.*, head.sequence::float8 as "headSequence", head.hash as "headHash"
  from (select number from audit_unsealed where org_id = $1 order by number limit $2) u
    cross join lateral (
      select e.number::text, ${ENTRY} from audit_entry e where e.org_id = $1 and e.number = u.number offset 0) found
    left join (select sequence, hash from audit_seal where org_id = $1 order by sequence desc limit 1) head on true
  order by u.number`;

const SEAL = `
  with sealed as (delete from audit_unsealed where org_id = $1 and number = any ($3::bigint[]))
  insert into audit_seal (org_id, sequence, number, hash, salts)
  select $1, $2 + place, number, hash, salts
  from unnest($3::bigint[], $4::text[], $5::jsonb[]) with ordinality as given (number, hash, salts, place)`;

type WaitingEntry = (Sealable | { readonly id: null }) & {
  readonly number: string;
  readonly headSequence: number | null;
  readonly headHash: string | null;
};

const isThere = (entry: WaitingEntry): entry is WaitingEntry & Sealable => entry.id !== null;

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
        pool.query<WaitingEntry>({ text: READ, values: [of, most], types: ROW_TYPES, isPlannedAnew: true }),
      );
      const [first] = rows;
      if (!first) return 0;
      const head = first.headSequence ?? 0;
      let before = first.headHash ?? NO_HASH;
      const links = rows.map((entry, index) => {
        const sequence = head + index + 1;
        const salts = isThere(entry) ? newSalts(entry) : [];
        before = isThere(entry) ? hashOf(entry, { before, sequence, salts }) : hashOfGone({ before, sequence });
        return { number: entry.number, hash: before, salts: JSON.stringify(salts) };
      });
      const columns = [
        links.map(({ number }) => number),
        links.map(({ hash }) => hash),
        links.map(({ salts }) => salts),
      ];
      await inFrame(frame, () => pool.query({ text: SEAL, values: [of, head, ...columns], isPlannedAnew: true })).catch(
        ignoreTaken,
      );
      return rows.length;
    },
  };
}

/** Another replica took the next place in the chain first. */
function ignoreTaken(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === '23505')) throw error;
}
