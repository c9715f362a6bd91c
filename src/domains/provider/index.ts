import { z } from 'zod';
import type { PassedOverProvider, Resolvers } from '../../generated/graphql.js';
import { allow, can, canReport, hasClaim } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { parseInput } from '../../resource/input.js';
import { record } from './record.js';
import { MAX_REPORTED, reportProviderHealth } from './report-health.js';
import { resolveProvider } from './resolve-provider.js';
import { MAX_RESOLUTIONS } from './routing/index.js';

const lastInput = z
  .int('Must be a whole number.')
  .min(1, 'At least 1.')
  .max(MAX_RESOLUTIONS, `At most ${MAX_RESOLUTIONS}.`)
  .nullish()
  .transform((last) => last ?? 20);

const resolvers = {
  Query: {
    providerHealth: (_, _args, { db }) => db.providerHealth.list({ orderBy: { provider: 'asc' }, take: MAX_REPORTED }),
  },
  Mutation: {
    resolveProvider: (_, { input }, context) => resolveProvider(input, context),
    reportProviderHealth: (_, { input }, context) => reportProviderHealth(input, context),
  },
  Run: {
    providers: async ({ id }, args, { db }) => {
      const take = parseInput(lastInput, args.last, 'last');
      return (await db.providerResolution.listFor('runId', id, { orderBy: { number: 'desc' }, take })).toReversed();
    },
  },
  ProviderResolution: {
    passedOver: ({ passedOver }) => passedOver as unknown as PassedOverProvider[],
  },
} satisfies Resolvers;

export const provider = defineDomain({
  resolvers,
  record,
  access: {
    Query: { providerHealth: can('run:read') },
    Mutation: { resolveProvider: hasClaim, reportProviderHealth: canReport },
    ProviderResolution: allow,
    PassedOverProvider: allow,
    ProviderHealth: allow,
  },
});
