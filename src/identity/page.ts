/** Rows of a list by id: from its start, or from its end toward it, past one id. */
export interface Page {
  readonly past: string | undefined;
  readonly take: number;
  readonly isBackward: boolean;
}

/**
 * The rows of a page, as what follows a condition: `and id > $4 order by id limit $5`.
 *
 * @param isDescending whether the list itself begins with the greatest id
 * @param values of the statement; those of the page are added
 */
export function pageOf(
  column: string,
  { past, take, isBackward }: Page,
  values: unknown[],
  isDescending = false,
): string {
  const isDown = isBackward !== isDescending;
  const beyond = past === undefined ? '' : ` and ${column} ${isDown ? '<' : '>'} $${values.push(past)}`;
  return `${beyond} order by ${column}${isDown ? ' desc' : ''} limit $${values.push(take)}`;
}
