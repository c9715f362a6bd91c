import { part } from '../parts.js';
import type { RequestContext } from './context.js';

/** What is about to be done. */
export interface ToldOperation {
  readonly type: 'query' | 'mutation' | 'subscription';
  /** What whoever sent it calls it; null where it has no name. */
  readonly name: string | null;
  /** What is asked for, without arguments: `runs { nodes { id } }`. */
  readonly fields: string;
  /** What it is asked for by: `members.search: "doe"`. */
  readonly arguments: readonly string[];
  /** The ids that it names. */
  readonly ids: readonly string[];
}

/**
 * Told of each operation of somebody who acts as a member, before it is done.
 *
 * @throws SERVICE_UNAVAILABLE when it could not be written: then it is not done
 */
export type TellActing = (context: RequestContext, told: ToldOperation) => Promise<void>;

/** Whoever executes operations knows that somebody is to be told, and not who. */
export const TELL_ACTING = part<TellActing>('what is told of whoever acts as a member');
