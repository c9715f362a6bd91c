/** How a list is reached, and what it is filtered by. */
export interface List {
  readonly in?: string;
  readonly closing?: string;
  readonly args?: readonly Readonly<Record<string, unknown>>[];
}

/** Cases by list, with the ids that they name. */
export function lists(ids: Readonly<Record<string, string>>): Record<string, List>;

/** Documents by what they count or add up. */
export function counts(ids: Readonly<Record<string, string>>): Record<string, string>;

/** What of a schema is asked for by no case, and cases of what it does not have. */
export function forgotten(table: Readonly<Record<string, List>>, counted: Readonly<Record<string, string>>): string[];

/** Arguments as they stand in a document. */
export function write(args: Readonly<Record<string, unknown>>): string;
