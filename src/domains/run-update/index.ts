import type { Resolvers } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import type { RunUpdateParent } from './parent.js';
import { openUpdates } from './updates.js';

/** As its source told it. */
const asTold = (update: RunUpdateParent): RunUpdateParent => update;

const resolvers = {
  Subscription: {
    runUpdates: {
      subscribe: (_, { runId, after = null }, context) => openUpdates({ runId, after }, context),
      resolve: asTold,
    },
    organizationRunUpdates: {
      subscribe: (_, { after = null }, context) => openUpdates({ runId: null, after }, context),
      resolve: asTold,
    },
  },
} satisfies Resolvers;

export const runUpdate = defineDomain({
  resolvers,
  access: {
    Subscription: { runUpdates: can('run:read'), organizationRunUpdates: can('run:read') },
    RunUpdate: allow,
  },
});
