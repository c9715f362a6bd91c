import type { ScopedPool } from '../connection/org-connection.js';
import { ROW_TYPES } from '../connection/pg-types.js';
import type { OrgId } from '../id.js';
import type { Model } from './models.js';
import { columnOf, pastRow, quote } from './read-rows.js';
import type { AnyRow } from './table.js';

/** The first rows of each parent, in one order. */
export interface ParentPage {
  /** Ordered by before the column: then the column is the key, and `after` names a row. */
  readonly leading?: string | undefined;
  readonly column: string;
  readonly direction: 'asc' | 'desc';
  /** Only rows past this value of the column. */
  readonly after?: string | undefined;
  /** At most this many rows of each parent. */
  readonly take: number;
}

/**
 * A page of children for each of many parents, which Prisma would read by fetching every child. It walks the index
 * (org_id, parent, leading, column) once per parent.
 */
export async function readLatestPerParent(
  pool: ScopedPool,
  model: Model,
  orgId: OrgId,
  parent: string,
  parentIds: readonly string[],
  page: ParentPage,
): Promise<AnyRow[]> {
  const { leading, column, direction, after } = page;
  const columns = leading === undefined ? [column] : [leading, column];
  const order = columns.map((field) => `${columnOf(model, field)} ${direction === 'asc' ? 'asc' : 'desc'}`).join(', ');
  const beyond =
    leading === undefined
      ? `${columnOf(model, column)} ${direction === 'asc' ? '>' : '<'} $4`
      : pastRow(
          model,
          columns.map((field) => [field, direction] as const),
          '$1',
          '$4',
        );
  const text = `
    select child.* from unnest($2::text[]) as parent(id)
    cross join lateral (
      select ${model.selected} from ${quote(model.table)}
      where org_id = $1 and ${columnOf(model, parent)} = parent.id
      ${after === undefined ? '' : `and ${beyond}`}
      order by ${order} limit $3
    ) as child`;
  const values = [orgId, parentIds, page.take, ...(after === undefined ? [] : [after])];
  const { rows } = await pool.query<AnyRow>({ text, values, types: ROW_TYPES });
  return rows;
}
