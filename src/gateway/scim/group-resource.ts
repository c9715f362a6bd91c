import { setImmediate as othersTurn } from 'node:timers/promises';
import type { Ids } from '../../data/organization/ids.js';
import type { Row } from '../../data/organization/table.js';
import type { ProvisionedGroup } from '../../domains/scim-directory/provision-group.js';
import { SCIM } from './protocol.js';
import type { Selection } from './selection.js';

/** So many members are written before others have their turn. */
const AT_ONCE = 1000;

const groupResource = (row: Row<'ScimGroup'>, base: string) => ({
  schemas: [SCIM.group],
  id: row.id,
  ...(row.externalId !== null && { externalId: row.externalId }),
  displayName: row.displayName,
  meta: {
    resourceType: 'Group',
    created: row.createdAt,
    lastModified: row.updatedAt,
    location: locationOf(row, base),
  },
});

export const locationOf = ({ id }: Row<'ScimGroup'>, base: string): string => `${base}/Groups/${id}`;

/** How groups are written for one request. */
export interface Writing {
  readonly base: string;
  readonly selection: Selection;
  /** Told of what is written, while it is. */
  readonly count?: ((bytes: number) => void) | undefined;
}

/** A group as directories read it, in JSON. */
export async function writeGroup({ row, members }: ProvisionedGroup, writing: Writing): Promise<Buffer> {
  const { selection, base } = writing;
  const rest = selection.select(groupResource(row, base));
  if (!selection.wantsMembers) return Buffer.from(JSON.stringify(rest));
  return writeWith(rest, 'members', writeMembers(members, writing));
}

/** An object in JSON, with one list more, of which each item comes as text already. */
export async function writeWith(rest: object, list: string, items: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const item of items) parts.push(Buffer.from(parts.length === 0 ? '' : ','), item);
  const before = `${JSON.stringify(rest).slice(0, -1)},"${list}":[`;
  return Buffer.concat([Buffer.from(before), ...parts, Buffer.from(']}')]);
}

/** Many at a time, as if they were one item. */
async function* writeMembers(members: Ids, { base, count }: Writing): AsyncGenerator<Buffer> {
  for (const ids of members.parts(AT_ONCE)) {
    const list = ids.map((value) => ({ value, type: 'User', $ref: `${base}/Users/${value}` }));
    const written = Buffer.from(JSON.stringify(list).slice(1, -1));
    count?.(written.length);
    yield written;
    if (ids.length === AT_ONCE) await othersTurn();
  }
}
