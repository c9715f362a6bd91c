import type { Resolvers } from '../generated/graphql.js';
import { defineDomain } from '../permissions/domain.js';
import { allow, isSignedIn } from '../permissions/rules.js';

const resolvers = {
  Query: { rateLimit: (_, _args, { spending }) => spending },
} satisfies Resolvers;

export const rateLimit = defineDomain({
  resolvers,
  access: { Query: { rateLimit: isSignedIn }, RateLimit: allow },
});
