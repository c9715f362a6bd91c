import type { OrgId } from './id.js';
import type { Model } from './models.js';
import type { ScopedPool } from './org-connection.js';
import { ROW_TYPES } from './pg-types.js';
import { columnOf, quote } from './read-rows.js';
import type { AnyRow } from './table.js';

/** The first rows of each parent, in one order. */
export interface ParentPage {
  readonly column: string;
  readonly direction: 'asc' | 'desc';
  /** Only rows past this value of the column. */
  readonly after?: string | undefined;
  /** At most this many rows of each parent. */
  readonly take: number;
}

/**
 * A page of children for each of many parents, which Prisma would read by fetching every child. It walks the index
 * (org_id, parent, column) once per parent.
 */
export async function readLatestPerParent(
  pool: ScopedPool,
  model: Model,
  orgId: OrgId,
  parent: string,
  parentIds: readonly string[],
  page: ParentPage,
): Promise<AnyRow[]> {
  const order = columnOf(model, page.column);
  const beyond = page.direction === 'asc' ? '>' : '<';
  const text = `
    select child.* from unnest($2::text[]) as parent(id)
    cross join lateral (
      select ${model.selected} from ${quote(model.table)}
      where org_id = $1 and ${columnOf(model, parent)} = parent.id
      ${page.after === undefined ? '' : `and ${order} ${beyond} $4`}
      order by ${order} ${page.direction === 'asc' ? 'asc' : 'desc'} limit $3
    ) as child`;
  const values = [orgId, parentIds, page.take, ...(page.after === undefined ? [] : [page.after])];
  const { rows } = await pool.query({ text, values, types: ROW_TYPES });
  return rows as AnyRow[];
}
