import { Ids } from '../../data/organization/ids.js';
import type { GroupChange } from '../../domains/scim-directory/provision-group.js';
import type { JsonBounds } from '../../bound-json.js';
import { parseJson } from '../http/bodies/parse-json.js';
import { type Operation, readPatch, readResource, text } from './operations.js';
import { ScimError } from './protocol.js';

/** Of these 50,000 members each may say four things beside its id. */
const BOUNDS: JsonBounds = { elements: 300_000, names: 1000, levels: 16 };

/** What a body is to make of a group; called by who wants to know. @throws ScimError */
export type GroupBody = () => GroupChange;

/** @throws UnreadBodyError; SyntaxError */
export function readGroupBody(bytes: Buffer, method: string): GroupBody {
  const body = parseJson(bytes, BOUNDS);
  return () => readGroupChange(body, method);
}

export const readGroupChange = (body: unknown, method: string): GroupChange =>
  method === 'PATCH' ? fold(readPatch(body)) : readWhole(body);

/** What a whole resource says of a group. Nobody leaves it by silence. */
function readWhole(body: unknown): GroupChange {
  const { displayName = '', externalId = null, ...members } = fold(readResource(body));
  return { displayName, externalId, ...members };
}

/** One change that does what all of these do, one after the other, to any group. */
export function fold(operations: readonly Operation[]): GroupChange {
  let displayName: string | undefined;
  let externalId: string | null | undefined;
  let keeps = true;
  const [add, remove] = [new Set<string>(), new Set<string>()];
  for (const { kind, name, selected, value } of operations) {
    const given = kind === 'remove' ? null : value;
    if (name === 'displayname') displayName = text(given, 'displayName') ?? '';
    else if (name === 'externalid') externalId = text(given, 'externalId');
    else if (name === 'members') {
      const named = selected === null ? idsOf(value) : [selected];
      // A list without names to remove is the whole list.
      if (kind === 'replace' || (kind === 'remove' && selected === null && value == null)) {
        keeps = false;
        add.clear();
      }
      const [into, outOf] = kind === 'remove' ? [remove, add] : [add, remove];
      for (const id of named) {
        outOf.delete(id);
        into.add(id);
      }
    }
  }
  return { displayName, externalId, keeps, add: Ids.of(add), remove: keeps ? Ids.of(remove) : Ids.none };
}

/** Ids from `[{ "value": "…" }]`. */
function idsOf(value: unknown): string[] {
  const entries: unknown[] = value == null ? [] : Array.isArray(value) ? value : [value];
  return entries.map((entry) => {
    const id = text((entry as { value?: unknown } | null)?.value, 'members');
    if (id === null) throw new ScimError('invalidValue', 'members: Each has a value, the id of a user.');
    return id;
  });
}
