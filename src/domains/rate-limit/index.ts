import type { Resolvers } from '../../generated/graphql.js';
import { allow, isSignedIn } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';

const resolvers = {
  Query: { rateLimit: (_, _args, { spending }) => spending },
} satisfies Resolvers;

export const rateLimit = defineDomain({
  resolvers,
  access: { Query: { rateLimit: isSignedIn }, RateLimit: allow },
});
