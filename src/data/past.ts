/** Where a page begins: past the row that has these values in the fields of the order, in their order. */
export interface PastRow {
  readonly at: readonly (string | number | Date | null)[];
  /** Whether the first of the fields may be null. Such rows are the last upward, and the first downward. */
  readonly mayBeNull?: boolean;
}

/**
 * The condition that rows past it fulfil. Without nulls it is one that PostgreSQL finds in an index: the columns, compared
 * as one.
 *
 * @param columns of the order, all in one direction
 * @param values of the statement; those of the row are added
 */
export function beyond(
  columns: readonly string[],
  direction: 'asc' | 'desc',
  { at, mayBeNull = false }: PastRow,
  values: unknown[],
): string {
  if (at.length !== columns.length) throw new Error('a page begins past a row by all that orders it');
  const compared = (from: number): string => {
    const parameters = at.slice(from).map((value) => `$${values.push(value)}`);
    return `(${columns.slice(from).join(', ')}) ${direction === 'asc' ? '>' : '<'} (${parameters.join(', ')})`;
  };
  if (!mayBeNull) return compared(0);
  if (at[0] !== null) return direction === 'asc' ? `(${compared(0)} or ${columns[0]} is null)` : compared(0);
  const amongNulls = `${columns[0]} is null and ${compared(1)}`;
  return direction === 'asc' ? amongNulls : `(${amongNulls} or ${columns[0]} is not null)`;
}
