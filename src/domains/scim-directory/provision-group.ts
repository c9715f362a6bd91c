import { newId } from '../../data/id.js';
import { Ids } from '../../data/organization/ids.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import type { ManyFilter, Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import { applyRoles } from './apply-roles.js';
import { asDirectory, type DirectoryAtWork } from './as-directory.js';

type Group = Row<'ScimGroup'>;

/** What becomes of a group, whatever it was: of 50,000 members only the database knows who they are. */
export interface GroupChange {
  /** As it was where nothing is said. */
  readonly displayName?: string | undefined;
  readonly externalId?: string | null | undefined;
  /** Whether those stay who are in it and are not removed. */
  readonly keeps: boolean;
  /** Ids of the directory's users here; of none more than once, and of none in both. */
  readonly add: Ids;
  readonly remove: Ids;
}

export interface ProvisionedGroup {
  readonly row: Group;
  readonly members: Ids;
}

/** More than any group holds; it bounds what one request can make the database do. */
const MAX_MEMBERS = 50_000;

/** @throws BAD_USER_INPUT on `members` for what is no user of this directory */
export function createGroup(change: GroupChange, directory: DirectoryAtWork): Promise<ProvisionedGroup> {
  const { directoryId } = directory;
  return asDirectory(directory, async (tx) => {
    const row = await tx.scimGroup.create({ id: newId('scg'), directoryId, ...describe(change, NOTHING) });
    await changeMembers(tx, row, change);
    return { row, members: change.add };
  });
}

/**
 * Changes a group, and with it what its members are here.
 *
 * @throws NOT_FOUND; BAD_USER_INPUT; LAST_OWNER
 */
export const updateGroup = (id: string, change: GroupChange, directory: DirectoryAtWork): Promise<Group> =>
  asDirectory(directory, (tx) => update(tx, id, change, directory));

/** The same, and says who is in it then. */
export const replaceGroup = (id: string, change: GroupChange, directory: DirectoryAtWork): Promise<ProvisionedGroup> =>
  asDirectory(directory, async (tx) => {
    const row = await update(tx, id, change, directory);
    return { row, members: change.keeps ? await membersOf(tx, id) : change.add };
  });

async function update(tx: LockedDb, id: string, change: GroupChange, { directoryId }: DirectoryAtWork): Promise<Group> {
  const before = await tx.scimGroup.get({ id, directoryId });
  const description = describe(change, before);
  await changeMembers(tx, before, change);
  return tx.scimGroup.update({ id }, description);
}

/** @throws NOT_FOUND; LAST_OWNER */
export async function deleteGroup(id: string, directory: DirectoryAtWork): Promise<void> {
  const { directoryId } = directory;
  await asDirectory(directory, async (tx) => {
    const group = await tx.scimGroup.get({ id, directoryId });
    await changeMembers(tx, group, { keeps: false, add: Ids.none, remove: Ids.none });
    await tx.scimGroup.delete({ id });
  });
}

export async function getGroup(
  id: string,
  withMembers: boolean,
  { db, directoryId }: Pick<DirectoryAtWork, 'db' | 'directoryId'>,
): Promise<ProvisionedGroup> {
  const row = await db.scimGroup.get({ id, directoryId });
  return { row, members: withMembers ? await membersOf(db, id) : Ids.none };
}

const membersOf = async (db: OrganizationDb, id: string): Promise<Ids> =>
  (await membersOfEach(db, [id])).get(id) ?? Ids.none;

/**
 * The members of each of these groups that has any.
 *
 * @throws BAD_USER_INPUT on `count` when they have more than one answer holds
 */
export async function membersOfEach(
  db: OrganizationDb,
  groupIds: readonly string[],
): Promise<ReadonlyMap<string, Ids>> {
  const found = await db.scimGroupMember.idsBy('groupId', 'scimUserId', { groupId: { in: groupIds } }, MAX_MEMBERS);
  if (!found) throw badInput('count', 'Ask for fewer groups at once, or without their members.');
  return found;
}

type Description = Pick<Group, 'displayName' | 'externalId'>;

const NOTHING: Description = { displayName: '', externalId: null };

function describe(change: GroupChange, before: Description): Description {
  const { displayName = before.displayName, externalId = before.externalId } = change;
  if (displayName.trim() === '' || displayName.length > 255)
    throw badInput('displayName', 'Must be 1 to 255 characters.');
  if (externalId !== null && externalId.length > 255) throw badInput('externalId', 'At most 255 characters.');
  assertFew(change.add.size);
  return { displayName: displayName.trim(), externalId };
}

function assertFew(members: number): void {
  if (members > MAX_MEMBERS) throw badInput('members', 'Too many members.');
}

async function changeMembers(
  db: LockedDb,
  { id: groupId, directoryId }: Group,
  { keeps, add, remove }: GroupChange,
): Promise<void> {
  const before = await db.scimGroupMember.count({ groupId });
  const idsOf = (where: ManyFilter<Row<'ScimGroupMember'>>) =>
    before === 0 ? Ids.none : db.scimGroupMember.ids('scimUserId', where);
  const leaving = { groupId, scimUserId: keeps ? { in: remove } : { notIn: add } };
  const gone = await idsOf(leaving);
  const stay = await idsOf({ groupId, scimUserId: { in: add } });
  if (keeps) assertFew(before - gone.size + add.size - stay.size);
  const come = await db.scimUser.ids('id', { directoryId, id: { in: add, notIn: stay }, userName: { not: null } });
  if (come.size !== add.size - stay.size) throw badInput('members', 'No user of this directory has this id.');
  if (gone.size > 0) await db.scimGroupMember.delete(leaving);
  if (come.size > 0) await db.scimGroupMember.createEach('scimUserId', come, { groupId });
  await applyRoles(db, directoryId, gone.and(come));
}
