import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { Frame } from '../../data/connection/frame.js';
import { inFrame, type ScopedPool } from '../../data/connection/org-connection.js';
import { translateDatabaseError } from '../../data/database-error.js';
import { brandOrgId, type OrgId } from '../../data/id.js';
import type { UsageDimension } from '../../generated/enums.js';

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

/** What is asked of some days. */
export interface DaysAsked {
  readonly from: string;
  readonly to: string;
  readonly by: UsageDimension;
  /** All when null. */
  readonly metric: string | null;
}

/** What one day used of one key; empty of none. */
export interface DaySum extends Omit<UsageSum, 'metric'> {
  readonly day: string;
  readonly key: string;
}

const byDay = (columns: string, table: string, more: string): string => `
  select day, ${columns} as key, sum(quantity)::text as quantity, sum(cost_micros)::text as "costMicros" from ${table}
  where org_id = $1 and day between $2 and $3 and ($4::text is null or metric = $4) ${more}
  group by 1, 2 order by 1, 2 limit $5`;
const BY_METRIC = byDay('metric', 'usage_sum', '');
const BY_SHARE = byDay('key', 'usage_share_sum', 'and dimension = $6');

/** What was used day by day, of each metric or of whatever else it is of. Exact at the moment of the statement, as the sums. */
export const openUsageByDay =
  (pool: ScopedPool) =>
  async (orgId: OrgId, { from, to, by, metric }: DaysAsked, most: number): Promise<DaySum[]> => {
    const values = [orgId, from, to, metric, most];
    const query = by === 'METRIC' ? { text: BY_METRIC, values } : { text: BY_SHARE, values: [...values, by] };
    const { rows } = await inFrame(frameOf(orgId), () =>
      pool.query<Record<keyof DaySum, string>>({ ...query, isPlannedAnew: true }),
    ).catch((error: unknown) => {
      throw translateDatabaseError(error);
    });
    return rows.map(({ day, key, quantity, costMicros }) => ({
      day,
      key,
      quantity: BigInt(quantity),
      costMicros: BigInt(costMicros),
    }));
  };

/** What a provider was paid for its last uses. */
export interface PaidUses {
  readonly provider: string;
  readonly quantity: bigint;
  readonly costMicros: bigint;
}

// Each with what it was corrected by. What is recorded beside a run costs nothing here: that is in what the run reports. It stands in an index as
// it is asked for here, `usage_event_paid_idx`.
const PAID = `
  select wanted.provider, sum(last.quantity + coalesce(more.quantity, 0))::text as quantity,
    sum(last.cost_micros + coalesce(more.cost_micros, 0))::text as "costMicros"
  from unnest($3::text[]) as wanted (provider)
  cross join lateral (
    select id, quantity, cost_micros from usage_event
    where org_id = $1 and metric = $2 and provider = wanted.provider and corrects is null and (reported or run_id is null)
    order by recorded_at desc limit $4
  ) as last
  left join lateral (
    select sum(quantity) as quantity, sum(cost_micros) as cost_micros from usage_event where org_id = $1 and corrects = last.id
  ) as more on true
  group by wanted.provider`;

/** What each of some providers was paid for its last uses of a metric. In the transaction that it is called in. */
export const openHeldPaidUses =
  (pool: ScopedPool) =>
  async (orgId: OrgId, metric: string, providers: readonly string[], most: number): Promise<PaidUses[]> => {
    const { rows } = await inFrame(frameOf(orgId), () =>
      pool.queryHeld({ text: PAID, values: [orgId, metric, providers, most], isPlannedAnew: true }),
    );
    return rows.map(({ provider, quantity, costMicros }: Record<keyof PaidUses, string>) => ({
      provider,
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

// What is taken out goes into the totals by what the database does of it.
const FOLD = `
  with taken as (
    delete from usage_tail where org_id = $1 and number = any (array(
      select number from usage_tail where org_id = $1 order by number limit $2 for update skip locked))
    returning number
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
        pool.query<{ count: number }>({ text: FOLD, values: [orgId, most], isPlannedByIndex: true }),
      );
      return rows[0]?.count ?? 0;
    },
  };
}

/** The organization that a list for whoever runs the deployment names. */
export const openNamedOrganization =
  (_pool: ScopedPool) =>
  (organizationId: string): OrgId =>
    brandOrgId(organizationId);
