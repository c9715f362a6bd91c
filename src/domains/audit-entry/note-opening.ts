import type { RequestContext } from '../../context/context.js';
import { openEntryWriter } from './outside.js';

/** A link that is followed: the word of the record for that, and the link. */
export interface OpenedLink {
  readonly action: `${string}.opened`;
  readonly id: string;
}

/**
 * Writes that somebody begins to read what a link leads to. To be awaited before anything is read: who breaks off just before the end
 * has nearly all of it, and is never told to have read it.
 */
export async function noteOpening({ action, id }: OpenedLink, context: RequestContext): Promise<void> {
  const { outside, organization, act } = context;
  const target = { targetType: action.slice(0, action.indexOf('.')), targetId: id };
  await outside(openEntryWriter)(organization.orgId, [{ act, action, outcome: 'DONE', ...target }]);
}
