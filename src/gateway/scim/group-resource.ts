import type { DirectoryGroup, ProvisionedGroup } from '../../domains/scim-directory/provision-group.js';
import { type Operation, text } from './operations.js';
import { SCIM, ScimError } from './protocol.js';

/** A group as directories read it. */
export const groupResource = ({ row, members }: ProvisionedGroup, base: string) => ({
  schemas: [SCIM.group],
  id: row.id,
  ...(row.externalId !== null && { externalId: row.externalId }),
  displayName: row.displayName,
  members: [...members].map((value) => ({ value, type: 'User', $ref: `${base}/Users/${value}` })),
  meta: {
    resourceType: 'Group',
    created: row.createdAt,
    lastModified: row.updatedAt,
    location: `${base}/Groups/${row.id}`,
  },
});

const NOTHING: DirectoryGroup = { displayName: '', externalId: null, members: new Set() };

/** What a whole resource says of a group. Nobody leaves it by silence. */
export const readGroup = (operations: readonly Operation[], { members }: DirectoryGroup = NOTHING): DirectoryGroup =>
  applyToGroup({ ...NOTHING, members }, operations);

export function applyToGroup(before: DirectoryGroup, operations: readonly Operation[]): DirectoryGroup {
  let { displayName, externalId } = before;
  const members = new Set(before.members);
  for (const { kind, name, selected, value } of operations) {
    const given = kind === 'remove' ? null : value;
    if (name === 'displayname') displayName = text(given, 'displayName') ?? '';
    else if (name === 'externalid') externalId = text(given, 'externalId');
    else if (name === 'members') {
      const named = selected === null ? idsOf(value) : [selected];
      // A list without names to remove is the whole list.
      if (kind === 'replace' || (kind === 'remove' && selected === null && value == null)) members.clear();
      for (const id of named) {
        if (kind === 'remove') members.delete(id);
        else members.add(id);
      }
    }
  }
  return { displayName, externalId, members };
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
