import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { Frame } from '../../data/connection/frame.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { translateDatabaseError } from '../../data/database-error.js';
import { brandOrgId, type OrgId } from '../../data/id.js';

/** What was used of one metric. */
export interface UsageSum {
  readonly metric: string;
  readonly quantity: bigint;
  readonly costMicros: bigint;
}

/** What the ledger adds up to, metric by metric, from one day up to and with another. Exact at the moment of the statement. */
export type SumUsage = (orgId: OrgId, from: string, to: string) => Promise<UsageSum[]>;

const SUM = `
  select metric, sum(quantity)::text as quantity, sum(cost_micros)::text as "costMicros" from usage_sum
  where org_id = $1 and day between $2 and $3 group by metric order by metric`;

const frameOf = (orgId: OrgId): Frame => ({ role: 'orgate_app', orgId });

export const openUsageSums =
  (pool: ScopedPool): SumUsage =>
  async (orgId, from, to) => {
    const { rows } = await inFrame(frameOf(orgId), () =>
      pool.query<Record<keyof UsageSum, string>>({ text: SUM, values: [orgId, from, to] }),
    ).catch((error: unknown) => {
      throw translateDatabaseError(error);
    });
    return rows.map(({ metric, quantity, costMicros }) => ({
      metric,
      quantity: BigInt(quantity),
      costMicros: BigInt(costMicros),
    }));
  };

/** Adds up what is not in the totals yet. */
export interface Folding {
  /** Organizations with something that waits, in order, behind one of them or from the first on. */
  listWaiting(behind: OrgId | null, most: number): Promise<OrgId[]>;
  /** Moves so many rows into the totals at the most; of two at once each moves others. Answers how many. */
  fold(orgId: OrgId, most: number): Promise<number>;
}

// From one organization to the next by the index, however much each has.
const WAITING = `
  with recursive waiting as (
    (select org_id, 1 as place from usage_tail where $1::text is null or org_id > $1 order by org_id limit 1)
    union all
    select (select t.org_id from usage_tail t where t.org_id > w.org_id order by t.org_id limit 1), w.place + 1
    from waiting w where w.org_id is not null and w.place < $2
  )
  select org_id as "orgId" from waiting where org_id is not null`;

const FOLD = `
  with taken as (
    delete from usage_tail where org_id = $1 and number = any (array(
      select number from usage_tail where org_id = $1 order by number limit $2 for update skip locked))
    returning day, metric, quantity, cost_micros
  ), added as (
    insert into usage_total as known (org_id, day, metric, quantity, cost_micros)
    select $1, day, metric, sum(quantity), sum(cost_micros) from taken group by day, metric order by day, metric
    on conflict (org_id, day, metric) do update set
      quantity = known.quantity + excluded.quantity, cost_micros = known.cost_micros + excluded.cost_micros
  )
  select count(*)::int as count from taken`;

export function openFolding(pool: ScopedPool): Folding {
  const query = createDirectoryQuery(pool);
  return {
    async listWaiting(behind, most) {
      const rows = await query<{ orgId: string }>(WAITING, [behind, most]);
      return rows.map(({ orgId }) => brandOrgId(orgId));
    },
    async fold(orgId, most) {
      const { rows } = await inFrame(frameOf(orgId), () =>
        pool.query<{ count: number }>({ text: FOLD, values: [orgId, most], isPlannedAnew: true }),
      );
      return rows[0]?.count ?? 0;
    },
  };
}
