import type { TellActing } from '../../context/tell-acting.js';
import { OrgateError } from '../../errors.js';
import { openEntryWriter, type OwnEntry } from '../audit-entry/index.js';
import type { record } from './record.js';

type Action = keyof typeof record.actions;

/**
 * Writes what somebody who acts as a member is about to do, by a statement of its own, which is committed when this is over: what
 * could not be told is not done, and what was done was told, whatever becomes of the process. Of everybody else nothing.
 *
 * @throws SERVICE_UNAVAILABLE when it could not be written
 */
export const tellOperation: TellActing = async (context, told) => {
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
};
