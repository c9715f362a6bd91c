import type { ScopedPool } from '../connection/org-connection.js';
import { ROW_TYPES } from '../connection/pg-types.js';
import type { OrgId } from '../id.js';
import type { Model } from './models.js';
import { columnOf, conditionsOf, orderOf, type Past, pastRow, quote, type RowQuery, searched } from './read-rows.js';
import type { AnyRow } from './models.js';

/** The first rows of each parent, in one order. */
export interface ParentPage extends Pick<RowQuery, 'where' | 'search'>, Past {
  readonly orderBy: RowQuery['orderBy'] & object;
  /** At most this many rows of each parent. */
  readonly take: number;
}

/**
 * A page of children for each of many parents, which Prisma would read by fetching every child. It walks the index
 * (org_id, parent, columns of the order) once per parent.
 *
 * @param page what `forceOrganization` let through
 */
export async function readLatestPerParent(
  pool: ScopedPool,
  model: Model,
  orgId: OrgId,
  parent: string,
  parentIds: readonly string[],
  { where = {}, search, orderBy, past, take }: ParentPage,
): Promise<AnyRow[]> {
  const values: unknown[] = [orgId, parentIds, take];
  const conditions = Object.entries(where)
    .filter(([field]) => field !== model.orgField)
    .flatMap(([field, filter]) => conditionsOf(columnOf(model, field), filter, values));
  if (search) conditions.push(searched(model, search, values));
  if (past) conditions.push(pastRow(model, orderBy, past, values));
  const text = `
    select child.* from unnest($2::text[]) as parent(id)
    cross join lateral (
      select ${model.selected} from ${quote(model.table)}
      where org_id = $1 and ${columnOf(model, parent)} = parent.id
      ${conditions.map((condition) => `and ${condition}`).join(' ')}
      ${orderOf(model, orderBy)} limit $3
    ) as child`;
  const { rows } = await pool.query<AnyRow>({ text, values, types: ROW_TYPES });
  return rows;
}
