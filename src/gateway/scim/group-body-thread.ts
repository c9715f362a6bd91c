import type { PackedIds } from '../../data/organization/ids.js';
import type { GroupChange } from '../../domains/scim-directory/provision-group.js';
import { answerInThread } from '../../jobs/thread.js';
import { UnreadBodyError } from '../http/bodies/unread-body-error.js';
import { readGroupBody } from './group-change.js';
import { ScimError } from './protocol.js';

export interface Asked {
  readonly bytes: Uint8Array;
  readonly method: string;
}

/** As it comes from one thread to another, where errors are of no class, and ids no more than their text. */
export type Answer =
  | { readonly change: Omit<GroupChange, 'add' | 'remove'> & { readonly add: PackedIds; readonly remove: PackedIds } }
  | { readonly refused: ConstructorParameters<typeof ScimError> }
  | { readonly unread: ConstructorParameters<typeof UnreadBodyError> }
  | { readonly noJson: string };

answerInThread<Asked, Answer>(({ bytes, method }) => {
  try {
    const { add, remove, ...rest } = readGroupBody(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), method)();
    return { change: { ...rest, add: add.packed, remove: remove.packed } };
  } catch (error) {
    if (error instanceof ScimError) return { refused: [error.scimType, error.message] };
    if (error instanceof UnreadBodyError) return { unread: [error.statusCode, error.message] };
    if (error instanceof SyntaxError) return { noJson: error.message };
    throw error;
  }
});
