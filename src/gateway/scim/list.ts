import { Ids } from '../../data/organization/ids.js';
import type { Filter, Row } from '../../data/organization/table.js';
import { membersOfEach, type ProvisionedGroup } from '../../domains/scim-directory/provision-group.js';
import type { DirectoryContext, ProvisionedUser } from '../../domains/scim-directory/provision-user.js';
import { notFound } from '../../errors.js';
import { parseFilter } from './filter.js';
import { MAX_PAGE, SCIM, ScimError } from './protocol.js';

export interface ListParameters {
  readonly filter?: string;
  readonly startIndex?: string;
  readonly count?: string;
}

export interface Page<T> {
  readonly total: number;
  readonly startIndex: number;
  readonly resources: readonly T[];
}

/** SCIM counts from 1; what is less than that means 1, and a count below 0 means 0. */
function pageOf({ startIndex, count }: ListParameters) {
  const whole = (text: string | undefined, otherwise: number) =>
    /^-?\d{1,9}$/.test(text ?? '') ? Number(text) : otherwise;
  return { start: Math.max(whole(startIndex, 1), 1), take: Math.min(Math.max(whole(count, 100), 0), MAX_PAGE) };
}

export async function listUsers(
  parameters: ListParameters,
  { db, directoryId }: DirectoryContext,
): Promise<Page<ProvisionedUser>> {
  const where: { -readonly [F in keyof Filter<Row<'ScimUser'>>]: Filter<Row<'ScimUser'>>[F] } = {
    directoryId,
    userName: { not: null },
  };
  for (const [name, value] of parseFilter(parameters.filter ?? '')) {
    if (name === 'id') where.id = value;
    else if (name === 'username') where.userName = value.toLowerCase();
    else if (name === 'externalid') where.externalId = value;
    else if (name === 'emails.value' || name === 'emails') {
      where.userId = (await db.membership.find({ email: value.toLowerCase() }))?.userId ?? '';
    } else refuse();
  }
  const { start, take } = pageOf(parameters);
  const total = await db.scimUser.count(where);
  const rows = await db.scimUser.list({ where, orderBy: { id: 'asc' }, skip: start - 1, take });
  const memberships = await Promise.all(rows.map(({ userId }) => db.membership.load(userId)));
  const resources = rows.map((row, index) => ({ row, membership: memberships[index] ?? fail() }));
  return { total, startIndex: start, resources };
}

export async function listGroups(
  parameters: ListParameters,
  withMembers: boolean,
  context: DirectoryContext,
): Promise<Page<ProvisionedGroup>> {
  const { db, directoryId } = context;
  const where: { -readonly [F in keyof Filter<Row<'ScimGroup'>>]: Filter<Row<'ScimGroup'>>[F] } = { directoryId };
  let member: string | undefined;
  for (const [name, value] of parseFilter(parameters.filter ?? '')) {
    if (name === 'id') where.id = value;
    else if (name === 'displayname') where.displayName = value;
    else if (name === 'externalid') where.externalId = value;
    else if (name === 'members' || name === 'members.value') member = value;
    else refuse();
  }
  if (member !== undefined) {
    // Directories ask it of one group: is this person in it?
    const all = { where: { scimUserId: member }, orderBy: { groupId: 'asc' }, take: 1000 } as const;
    const theirs = (await db.scimGroupMember.list(all)).map(({ groupId }) => groupId);
    where.id = { in: theirs.filter((id) => where.id === undefined || id === where.id) };
  }
  const { start, take } = pageOf(parameters);
  const total = await db.scimGroup.count(where);
  const rows = await db.scimGroup.list({ where, orderBy: { id: 'asc' }, skip: start - 1, take });
  const ids = withMembers ? rows.map(({ id }) => id) : [];
  const members = await membersOfEach(db, ids);
  const resources = rows.map((row) => ({ row, members: members.get(row.id) ?? Ids.none }));
  return { total, startIndex: start, resources };
}

/** What stands around the resources of a page. */
export const pageResponse = ({ total, startIndex, resources }: Page<unknown>) => ({
  schemas: [SCIM.list],
  totalResults: total,
  startIndex,
  itemsPerPage: resources.length,
});

export const listResponse = <T>(page: Page<T>, render: (resource: T) => object) => ({
  ...pageResponse(page),
  Resources: page.resources.map(render),
});

function refuse(): never {
  throw new ScimError('invalidFilter', 'Nothing is found by this attribute.');
}

function fail(): never {
  throw notFound();
}
