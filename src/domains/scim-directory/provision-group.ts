import { newId } from '../../data/id.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, notFound } from '../../errors.js';
import { applyRoles } from './apply-roles.js';
import { asDirectory, type DirectoryAtWork } from './as-directory.js';

type Group = Row<'ScimGroup'>;

export interface DirectoryGroup {
  readonly displayName: string;
  readonly externalId: string | null;
  /** Ids of the directory's users here. */
  readonly members: ReadonlySet<string>;
}

export interface ProvisionedGroup {
  readonly row: Group;
  readonly members: ReadonlySet<string>;
}

/** More than any group holds; it bounds what one request can make the database do. */
const MAX_MEMBERS = 50_000;

/** @throws BAD_USER_INPUT on `members` for what is no user of this directory */
export function createGroup(group: DirectoryGroup, directory: DirectoryAtWork): Promise<ProvisionedGroup> {
  const { directoryId } = directory;
  return asDirectory(directory, async (tx) => {
    const { displayName, externalId } = check(group);
    const row = await tx.scimGroup.create({ id: newId('scg'), directoryId, displayName, externalId });
    await changeMembers(tx, row, new Set(), group.members);
    return { row, members: group.members };
  });
}

/**
 * Changes a group, and with it what its members are here.
 *
 * @throws NOT_FOUND; BAD_USER_INPUT; LAST_OWNER
 */
export function updateGroup(
  id: string,
  change: (before: DirectoryGroup) => DirectoryGroup,
  directory: DirectoryAtWork,
): Promise<ProvisionedGroup> {
  const { directoryId } = directory;
  return asDirectory(directory, async (tx) => {
    const { row, members: before } = await getGroup(id, { db: tx, directoryId });
    const after = change({ ...row, members: before });
    const { displayName, externalId } = check(after);
    await changeMembers(tx, row, before, after.members);
    return { row: await tx.scimGroup.update({ id }, { displayName, externalId }), members: after.members };
  });
}

/** @throws NOT_FOUND; LAST_OWNER */
export async function deleteGroup(id: string, directory: DirectoryAtWork): Promise<void> {
  const { directoryId } = directory;
  await asDirectory(directory, async (tx) => {
    const { row, members } = await getGroup(id, { db: tx, directoryId });
    await changeMembers(tx, row, members, new Set());
    await tx.scimGroup.delete({ id });
  });
}

export async function getGroup(
  id: string,
  { db, directoryId }: Pick<DirectoryAtWork, 'db' | 'directoryId'>,
): Promise<ProvisionedGroup> {
  const row = await db.scimGroup.find({ id, directoryId });
  if (!row) throw notFound();
  return { row, members: (await membersOf(db, [id])).get(id) ?? new Set() };
}

/**
 * The members of each of these groups.
 *
 * @throws BAD_USER_INPUT on `count` when they have more than one answer holds
 */
export async function membersOf(
  db: OrganizationDb,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const found = new Map(groupIds.map((id) => [id, new Set<string>()]));
  const where = { groupId: { in: groupIds } };
  const rows = await db.scimGroupMember.list({ where, orderBy: { scimUserId: 'asc' }, take: MAX_MEMBERS + 1 });
  if (rows.length > MAX_MEMBERS) throw badInput('count', 'Ask for fewer groups at once, or without their members.');
  for (const { groupId, scimUserId } of rows) found.get(groupId)?.add(scimUserId);
  return found;
}

function check({ displayName, externalId, members }: DirectoryGroup): Pick<Group, 'displayName' | 'externalId'> {
  if (displayName.trim() === '' || displayName.length > 255) throw badInput('displayName', '1 to 255 characters.');
  if (externalId !== null && externalId.length > 255) throw badInput('externalId', 'At most 255 characters.');
  if (members.size > MAX_MEMBERS) throw badInput('members', 'Too many members.');
  return { displayName: displayName.trim(), externalId };
}

async function changeMembers(
  db: LockedDb,
  { id: groupId, directoryId }: Group,
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
): Promise<void> {
  const gone = [...before].filter((id) => !after.has(id));
  const added = [...after].filter((id) => !before.has(id));
  const known = await db.scimUser.count({ directoryId, id: { in: added }, userName: { not: null } });
  if (known !== added.length) throw badInput('members', 'No user of this directory has this id.');
  if (gone.length > 0) await db.scimGroupMember.delete({ groupId, scimUserId: { in: gone } });
  await db.scimGroupMember.createMany(added.map((scimUserId) => ({ groupId, scimUserId })));
  await applyRoles(db, directoryId, [...gone, ...added]);
}
