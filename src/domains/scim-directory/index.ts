import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL } from '../../context/deployment.js';
import { newId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import { conflict, OrgateError } from '../../errors.js';
import type { OrganizationRole, Resolvers } from '../../generated/graphql.js';
import { allow, can, canAsPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { given, nameText, parseInput } from '../../resource/input.js';
import { defineList } from '../../resource/list.js';
import { asActor } from '../../rights/actor.js';
import { MAX_GROUPS } from '../../rights/directory-role.js';
import { assertNoEscalation } from '../../rights/escalation.js';
import { makeScimToken } from '../../secrets/scim-token.js';
import { applyRoles } from './apply-roles.js';
import { WORDS } from '../../generated/words.js';
import { record } from './record.js';

const directories = defineList('ScimDirectory', {
  name: 'scimDirectories',
  orders: { CREATED_AT: { by: 'id' }, NAME: { by: 'name', isUnique: true } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['name'],
});

const groups = defineList('ScimGroup', {
  name: 'scimGroups',
  orders: { CREATED_AT: { by: 'id' }, DISPLAY_NAME: { by: 'displayName' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['displayName'],
});

export const MAX_DIRECTORIES = 10;

/** A group is given more by name; whoever is in none was chosen by nobody here, so they manage no others. */
const defaultRole = z.enum(WORDS.ScimDirectory.defaultRole, 'VIEWER or DEVELOPER.');

const createInput = z.object({ name: nameText, defaultRole: defaultRole.default('VIEWER') });
const updateInput = z.object({
  id: z.string(),
  name: nameText.optional(),
  defaultRole: defaultRole.optional(),
});

/**
 * Works as someone who is OWNER now: whoever has a directory's token makes members, and what
 * role it may give them is the giver's to hold.
 */
const asOwner = <T>(
  context: RequestContext,
  role: OrganizationRole | null | undefined,
  work: (db: LockedDb) => Promise<T>,
): Promise<T> =>
  asActor(context, 'scim:manage', async (db, actor) => {
    if (actor.role !== 'OWNER') throw new OrgateError('FORBIDDEN', 'Only an OWNER manages directories.');
    if (role) assertNoEscalation(context.catalogue, actor, { role, granted: [], withheld: [] });
    return work(db);
  });

const tokenFields = ({ hash, lastFour }: ReturnType<typeof makeScimToken>, { actorId }: RequestContext) => ({
  tokenHash: hash,
  tokenLastFour: lastFour,
  tokenMadeBy: actorId,
});

const resolvers = {
  Query: {
    scimDirectories: (_, args, context) => directories.page(args, context),
  },
  Mutation: {
    createScimDirectory: (_, { input }, context) => {
      const { name, defaultRole } = parseInput(createInput, input);
      return asOwner(context, defaultRole, async (db) => {
        if ((await db.scimDirectory.count({})) >= MAX_DIRECTORIES) {
          throw conflict(`An organization has at most ${MAX_DIRECTORIES} directories.`);
        }
        const id = newId('scm');
        const made = makeScimToken(id);
        const row = { id, name, defaultRole, createdBy: context.actorId, ...tokenFields(made, context) };
        return { directory: await db.scimDirectory.create(row), token: made.token };
      });
    },
    updateScimDirectory: (_, { input }, context) => {
      const { id, ...changes } = parseInput(updateInput, input);
      return asOwner(context, changes.defaultRole, async (db) => {
        const directory = await db.scimDirectory.update({ id }, given(changes));
        if (changes.defaultRole) await applyRoles(db, id, await db.scimUser.ids('id', { directoryId: id }));
        return directory;
      });
    },
    setScimGroupRole: (_, { input: { groupId: id, role } }, context) =>
      asOwner(context, role, async (db) => {
        const group = await db.scimGroup.update({ id }, { role: role ?? null });
        await applyRoles(db, group.directoryId, await db.scimGroupMember.ids('scimUserId', { groupId: id }));
        return group;
      }),
    replaceScimToken: (_, { id }, context) =>
      asOwner(context, null, async (db) => {
        const made = makeScimToken(id);
        return { directory: await db.scimDirectory.update({ id }, tokenFields(made, context)), token: made.token };
      }),
    deleteScimDirectory: (_, { id }, context) =>
      asOwner(context, null, async (db) => {
        await db.scimDirectory.get({ id });
        const pushed = await db.scimGroup.list({
          where: { directoryId: id },
          orderBy: { id: 'asc' },
          take: MAX_GROUPS,
        });
        await db.scimGroupMember.delete({ groupId: { in: pushed.map((group) => group.id) } });
        await db.scimGroup.delete({ directoryId: id });
        await db.scimUser.delete({ directoryId: id });
        await db.scimDirectory.delete({ id });
        return id;
      }),
  },
  ScimDirectory: {
    baseUrl: (_, _args, { use }) => `${use(PUBLIC_URL)()}/scim/v2`,
    userCount: ({ id }, _args, { db }) => db.scimUser.count({ directoryId: id, userName: { not: null } }),
    groups: ({ id }, args, context) => groups.pageOf('directoryId', id, args, context),
  },
  ScimGroup: {
    memberCount: ({ id }, _args, { db }) => db.scimGroupMember.countFor('groupId', id),
  },
} satisfies Resolvers;

const manage = canAsPerson('scim:manage');

export const scimDirectory = defineDomain({
  resolvers,
  grants: { 'scim:manage': { from: 'OWNER', may: 'Read and change the directories that provision members.' } },
  record,
  access: {
    Query: { scimDirectories: can('scim:manage') },
    Mutation: {
      createScimDirectory: manage,
      updateScimDirectory: manage,
      setScimGroupRole: manage,
      replaceScimToken: manage,
      deleteScimDirectory: manage,
    },
    ScimDirectory: allow,
    ScimGroup: allow,
    ScimTokenPayload: allow,
  },
  node: {
    prefix: 'scm',
    type: 'ScimDirectory',
    rule: can('scim:manage'),
    find: (id, { db }) => db.scimDirectory.load(id),
  },
});
