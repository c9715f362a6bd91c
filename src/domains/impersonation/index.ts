import type { RequestContext } from '../../context/context.js';
import { TELL_ACTING } from '../../context/tell-acting.js';
import { orNotFound } from '../../errors.js';
import type { ImpersonationOrderField, Resolvers } from '../../generated/graphql.js';
import { allow, canEndImpersonation, canWhereNamed, isSystemAdmin } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { memberUser } from '../membership/parent.js';
import { endImpersonation } from './end-impersonation.js';
import { type ImpersonationParent, toImpersonation } from './parent.js';
import { record } from './record.js';
import { startImpersonation } from './start-impersonation.js';
import { tellOperation } from './tell-operation.js';

const accesses = defineList<
  'Impersonation',
  ImpersonationOrderField,
  ListArgs<ImpersonationOrderField>,
  ImpersonationParent
>('Impersonation', {
  name: 'supportAccessLog',
  orders: { STARTED_AT: { by: 'id' } },
  usual: { field: 'STARTED_AT', direction: 'DESC' },
  show: (rows, { db }) => rows.map((row) => toImpersonation(row, db.now())),
});

/** Who acts as the viewer. */
const ofViewer = ({ viewer, current }: RequestContext): ImpersonationParent | null =>
  viewer?.impersonation && current
    ? { ...viewer.impersonation, userId: current.membership.userId, endedAt: null }
    : null;

const resolvers = {
  Query: {
    supportAccessLog: (_, args, context) => accesses.page(args, context),
  },
  Mutation: {
    startImpersonation: (_, { input }, context) => startImpersonation(input, context),
    endImpersonation: (_, { id }, context) => endImpersonation(id, context),
  },
  Viewer: { impersonation: (_, _args, context) => ofViewer(context) },
  Impersonation: {
    onBehalfOf: async ({ userId, onBehalfOf }, _args, context) =>
      onBehalfOf ?? memberUser(orNotFound(await context.db.membership.load(userId))),
  },
} satisfies Resolvers;

export const impersonation = defineDomain({
  resolvers,
  grants: {
    'support:read': {
      from: 'ADMIN',
      may: "Read who of the deployment's own people looked in, and what was granted them.",
    },
    'support:manage': {
      from: 'OWNER',
      may: "Let the deployment's own people in for a while, and end that.",
    },
  },
  record,
  provide: (parts) => parts.add(TELL_ACTING, tellOperation),
  access: {
    Query: { supportAccessLog: canWhereNamed('support:read') },
    Mutation: { startImpersonation: isSystemAdmin, endImpersonation: canEndImpersonation },
    Impersonation: allow,
    Administrator: allow,
    StartImpersonationPayload: allow,
  },
  node: {
    prefix: 'imp',
    type: 'Impersonation',
    rule: canWhereNamed('support:read'),
    find: async (id, { db }) => {
      const found = await db.impersonation.load(id);
      return found && toImpersonation(found, db.now());
    },
  },
});
