import type { RequestContext } from '../../context/context.js';
import { idPrefix, newId } from '../../data/id.js';
import { badInput } from '../../errors.js';
import type { Resolvers } from '../../generated/graphql.js';
import { can } from '../../permissions/rules.js';
import { type Domain, defineDomain, type NodeLookup } from '../../resource/define-domain.js';
import { MAX_PAGE } from '../../resource/paging.js';

/**
 * The domain of `node` and `nodes`, which find an object of any domain by its id. An id tells its type by its prefix;
 * whether there is such an object is answered inside the organization only, so foreign and unknown ids give null alike.
 */
export function nodeDomain(domains: readonly Domain[]) {
  const lookups = new Map<string, NodeLookup>();
  for (const { node } of domains) {
    if (!node) continue;
    if (idPrefix(newId(node.prefix)) !== node.prefix)
      throw new Error(`${node.prefix} is no id prefix: three letters are`);
    if (lookups.has(node.prefix)) throw new Error(`two domains use the id prefix ${node.prefix}`);
    lookups.set(node.prefix, node);
  }
  const types = new Map([...lookups.values()].map(({ type, prefix }) => [prefix, type]));

  const find = (id: string, context: RequestContext) => {
    const lookup = lookups.get(idPrefix(id) ?? '');
    if (!lookup) return null;
    const verdict = lookup.rule.check(context, 'read', undefined);
    if (verdict !== true) throw verdict;
    return lookup.find(id, context) as never;
  };

  const resolvers = {
    Query: {
      node: (_, { id }, context) => find(id, context),
      nodes: (_, { ids }, context) => {
        if (ids.length > MAX_PAGE) throw badInput('ids', `Ask for at most ${MAX_PAGE} ids.`);
        return ids.map((id) => find(id, context)) as never;
      },
    },
    Node: {
      __resolveType: (object) => types.get(idPrefix((object as { id: string }).id) ?? '') as never,
    },
  } satisfies Resolvers;

  return defineDomain({
    resolvers,
    access: { Query: { node: can('organization:read'), nodes: can('organization:read') } },
  });
}
