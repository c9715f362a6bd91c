import { asLiteral } from '../data/organization/search.js';
import { beyond, type PastRow } from '../data/past.js';

/** A page of a list outside any one organization, in an order of its fields that goes one way. */
export interface Page {
  readonly orderBy: Readonly<Record<string, 'asc' | 'desc'>>;
  readonly past: PastRow | undefined;
  readonly take: number;
  /** Only what has this in its name or slug, where it has those. */
  readonly search?: string | undefined;
}

/**
 * The rows of a page, as what follows a condition: `and (id) > ($4) order by id limit $5`.
 *
 * @param columns by the field that a page may be ordered by
 * @param values of the statement; those of the page are added
 */
export function pageOf(
  columns: Readonly<Record<string, string>>,
  { orderBy, past, take }: Page,
  values: unknown[],
): string {
  const names = Object.keys(orderBy).map((field) => columns[field] ?? fail(field));
  const direction = Object.values(orderBy)[0] ?? 'asc';
  const condition = past ? ` and ${beyond(names, direction, past, values)}` : '';
  return `${condition} order by ${names.map((name) => `${name} ${direction}`).join(', ')} limit $${values.push(take)}`;
}

/** What narrows a statement over `organization` as `o` to those that are searched for. */
export const searchedOrganizations = (search: string | undefined, values: unknown[]): string => {
  if (search === undefined) return '';
  const pattern = `$${values.push(`%${asLiteral(search)}%`)}`;
  return ` and (o.name ilike ${pattern} or o.slug ilike ${pattern})`;
};

function fail(field: string): never {
  throw new Error(`this list has no order by ${field}`);
}
