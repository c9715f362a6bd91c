import type { RequestContext } from '../../context/context.js';
import { newId } from '../../data/id.js';
import type { LockedDb, OrganizationDb } from '../../data/organization/organization-db.js';
import { badInput, conflict } from '../../errors.js';
import type { CredentialFilter, CredentialOrderField, Resolvers } from '../../generated/graphql.js';
import { allow, canAsPerson, canWhereNamed } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { given, parseInput } from '../../resource/input.js';
import { anyOf, defineList, type ListArgs } from '../../resource/list.js';
import { deleteRow, updateIfUnchanged } from '../../resource/rows.js';
import { asActor } from '../../rights/actor.js';
import { SEAL } from '../../secrets/organization-seal.js';
import { MAX_CREDENTIALS } from './compare-credentials.js';
import { createInput, lastFourOf, lentInput, secretText, updateInput } from './credential-input.js';
import { record } from './record.js';

export { compareCredentials } from './compare-credentials.js';

const credentials = defineList('Credential', {
  name: 'credentials',
  orders: {
    NAME: { by: 'name', isUnique: true },
    CREATED_AT: { by: 'id' },
    ROTATED_AT: { by: 'rotatedAt', is: 'instant' },
    LAST_USED_AT: { by: 'lastUsedAt', is: 'instant', mayBeNull: true },
  },
  usual: { field: 'NAME', direction: 'ASC' },
  search: ['name', 'provider'],
  where: ({ filter }: ListArgs<CredentialOrderField, CredentialFilter>) => ({
    ...anyOf({ kind: filter?.kind }),
    ...given({ enabled: filter?.enabled ?? undefined }),
  }),
});

/** Works as someone who may manage them now, under the organization's lock. */
const asManager = <T>(context: RequestContext, work: (db: LockedDb) => Promise<T>): Promise<T> =>
  asActor(context, 'credential:manage', work);

/** As it is kept: it opens in its own row only. */
async function sealed(db: OrganizationDb, id: string, secret: string, { use, organization }: RequestContext) {
  const place = { orgId: organization.orgId, table: 'credential', id };
  return {
    secret: await use(SEAL).seal(db, secret, place),
    lastFour: lastFourOf(secret),
    rotatedAt: db.now(),
  };
}

const resolvers = {
  Query: {
    credentials: (_, args, context) => credentials.page(args, context),
    credential: (_, { id }, { db }) => db.credential.get({ id }),
  },
  Mutation: {
    createCredential: (_, { input }, context) => {
      const { secret, ...columns } = parseInput(createInput, input);
      return asManager(context, async (db) => {
        if ((await db.credential.count({})) >= MAX_CREDENTIALS) {
          throw conflict(`An organization has at most ${MAX_CREDENTIALS} credentials.`);
        }
        const id = newId('crd');
        return db.credential.create({ ...columns, id, ...(await sealed(db, id, secret, context)) });
      });
    },
    updateCredential: (_, { input }, context) => {
      const { id, expectedUpdatedAt, ...changes } = parseInput(updateInput, input);
      return asManager(context, (db) => updateIfUnchanged(db.credential, id, expectedUpdatedAt, given(changes)));
    },
    replaceCredentialSecret: (_, args, context) => {
      const secret = parseInput(secretText, args.secret, 'secret');
      return asManager(context, async (db) =>
        db.credential.update({ id: args.id }, await sealed(db, args.id, secret, context)),
      );
    },
    deleteCredential: (_, { id }, context) =>
      asManager(context, async (db) => {
        await db.repository.updateMany({ credentialId: id }, { credentialId: null });
        return deleteRow(db.credential, id);
      }),
    setRepositoryCredential: (_, { id, credentialId = null, expectedUpdatedAt }, context) =>
      asManager(context, async (db) => {
        if (credentialId !== null && (await db.credential.get({ id: credentialId })).kind !== 'GIT') {
          throw badInput('credentialId', 'Must be of kind GIT.');
        }
        return updateIfUnchanged(db.repository, id, expectedUpdatedAt, { credentialId }, 'expectedUpdatedAt');
      }),
    setAgentCredentials: (_, args, context) => {
      const credentialIds = parseInput(lentInput, args.credentialIds, 'credentialIds');
      return asManager(context, async (db) => {
        if (
          credentialIds.length > 0 &&
          (await db.credential.count({ id: { in: credentialIds } })) < credentialIds.length
        ) {
          throw badInput('credentialIds', 'There is none such.');
        }
        return updateIfUnchanged(db.agent, args.id, args.expectedUpdatedAt, { credentialIds }, 'expectedUpdatedAt');
      });
    },
  },
  Agent: {
    credentials: async ({ credentialIds }, _args, { db }) =>
      (await Promise.all(credentialIds.map((id) => db.credential.load(id)))).filter((each) => each !== null),
  },
  AgentRepository: {
    credential: ({ credentialId }, _args, { db }) => (credentialId === null ? null : db.credential.load(credentialId)),
  },
} satisfies Resolvers;

const mayRead = canWhereNamed('credential:read');
const mayManage = canAsPerson('credential:manage');

export const credential = defineDomain({
  resolvers,
  grants: {
    'credential:read': { from: 'ADMIN', may: 'See which credentials there are; nobody reads their secrets.' },
    'credential:manage': {
      from: 'ADMIN',
      may: 'Make, change and delete credentials, replace their secrets, and say which repository is fetched with them, and which agents’ runs are given them.',
    },
  },
  access: {
    Query: { credentials: mayRead, credential: mayRead },
    Mutation: {
      createCredential: mayManage,
      updateCredential: mayManage,
      replaceCredentialSecret: mayManage,
      deleteCredential: mayManage,
      setRepositoryCredential: mayManage,
      setAgentCredentials: mayManage,
    },
    Credential: allow,
  },
  node: {
    prefix: 'crd',
    type: 'Credential',
    rule: mayRead,
    find: (id, { db }) => db.credential.load(id),
  },
  record,
});
