import type { Resolvers } from '../../generated/graphql.js';
import { allow, isSignedIn, type Rule } from '../../permissions/rules.js';
import { type Domain, defineDomain } from '../../resource/define-domain.js';

/**
 * The domain of `permissionCatalogue`: what can be granted, for whoever chooses it.
 *
 * @param domains whose rules say what each permission opens, and to whom
 */
export function permissionDomain(domains: readonly Domain[]) {
  const rules = domains.flatMap(rulesOf).filter(({ permission }) => permission !== null);
  const openToKeys = new Set(rules.filter(({ isForPersons }) => !isForPersons).map(({ permission }) => permission));
  const resolvers = {
    Query: {
      permissionCatalogue: (_, _args, { catalogue }) =>
        catalogue.list().map(({ isHeldByKeys, roles, aliases, ...permission }) => ({
          ...permission,
          roles: [...roles],
          aliases: [...aliases],
          personsOnly: !isHeldByKeys || !openToKeys.has(permission.name),
        })),
    },
  } satisfies Resolvers;

  return defineDomain({ resolvers, access: { Query: { permissionCatalogue: isSignedIn }, Permission: allow } });
}

const isRule = (access: Rule | object): access is Rule => 'check' in access;

/** Every rule of a domain: of a whole type, or of each of its fields. */
const rulesOf = ({ access }: Domain): Rule[] =>
  Object.values(access).flatMap((of: Rule | Readonly<Record<string, Rule>>) => (isRule(of) ? [of] : Object.values(of)));
