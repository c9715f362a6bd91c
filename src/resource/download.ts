import type { RequestContext } from '../context/context.js';
import type { Rule } from '../permissions/rules.js';

/**
 * Does one step of a download, and says what that printed. Who asks is asked anew for each. Where there is no room for it, it is
 * done again.
 */
export type Turn = <T>(
  step: (context: RequestContext) => Promise<T>,
  printed?: (found: T) => readonly string[],
) => Promise<T>;

/** What a link leads to. */
export interface Reading {
  readonly mediaType: string;
  readonly parts: (turn: Turn) => AsyncGenerator<string>;
  /** Before any of it is read. */
  readonly begin: (context: RequestContext) => Promise<void>;
  /** Once all of it has been taken. */
  readonly done: (context: RequestContext) => Promise<void>;
}

/** What an organization takes away by links of one kind. Nothing is kept: it is read row by row, page by page, as it is taken. */
export interface Download {
  /** With `:organization` and `:id` in it. */
  readonly url: string;
  readonly rule: Rule;
  /** What made the link. */
  readonly mutation: string;
  /** Rows that are read by one step. */
  readonly page: number;
  /** @throws NOT_FOUND */
  readonly open: (id: string, context: RequestContext) => Promise<Reading>;
}
