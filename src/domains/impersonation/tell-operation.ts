import type { RequestContext } from '../../context/context.js';
import { OrgateError } from '../../errors.js';
import { openEntryWriter, type OwnEntry } from '../audit-entry/index.js';
import type { record } from './record.js';

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

type Action = keyof typeof record.actions;

/**
 * Writes what somebody who acts as a member is about to do, by a statement of its own, which is committed when this is over: what
 * could not be told is not done, and what was done was told, whatever becomes of the process. Of everybody else nothing.
 *
 * @throws SERVICE_UNAVAILABLE when it could not be written
 */
export async function tellOperation(context: RequestContext, told: ToldOperation): Promise<void> {
  const { type, name, fields, ids } = told;
  const { viewer, act, outside } = context;
  if (!viewer?.impersonation) return;
  const action: Action = type === 'mutation' ? 'impersonation.mutation' : 'impersonation.query';
  const entry: OwnEntry = {
    act,
    action,
    outcome: 'DONE',
    targetType: 'impersonation',
    targetId: viewer.impersonation.id,
    changes: {
      fields: [null, fields],
      ...(name !== null && { operation: [null, name] }),
      ...(told.arguments.length > 0 && { arguments: [null, told.arguments] }),
      ...(ids.length > 0 && { ids: [null, ids] }),
    },
  };
  try {
    await outside(openEntryWriter)(context.organization.orgId, [entry]);
  } catch (cause) {
    const message = 'What cannot be recorded first is not done; try again shortly.';
    throw new OrgateError('SERVICE_UNAVAILABLE', message, { retryAfter: 1 }, { cause });
  }
}
