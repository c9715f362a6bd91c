import { Kind, type SelectionSetNode, visit } from 'graphql';
import { idPrefix } from '../../data/id.js';
import { OrgateError } from '../../errors.js';
import type { Operation } from './read-document.js';

type Tree = Map<string, Tree>;

/** What an operation asks for, each field once, without arguments and fragments: `runs { nodes { id input } }`. */
export function askedFields({ node, fragments }: Operation): string {
  const root: Tree = new Map();
  const gather = ({ selections }: SelectionSetNode, into: Tree): void => {
    for (const each of selections) {
      if (each.kind !== Kind.FIELD) {
        const set =
          each.kind === Kind.INLINE_FRAGMENT ? each.selectionSet : fragments.get(each.name.value)?.selectionSet;
        if (set) gather(set, into);
        continue;
      }
      const name = each.name.value;
      const within = into.get(name) ?? new Map<string, Tree>();
      into.set(name, within);
      // Of the contract itself nobody has to be told.
      if (each.selectionSet && !name.startsWith('__')) gather(each.selectionSet, within);
    }
  };
  gather(node.selectionSet, root);
  return print(root);
}

const print = (tree: Tree): string =>
  [...tree].map(([name, within]) => (within.size === 0 ? name : `${name} { ${print(within)} }`)).join(' ');

const MOST_IDS = 500;

/**
 * The ids that an operation names, in its text or its variables, each once.
 *
 * @throws QUERY_TOO_EXPENSIVE past `MOST_IDS`: all of them are told, or nothing is done
 */
export function namedIds({ document }: Operation, variables: Readonly<Record<string, unknown>>): string[] {
  const ids = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value === 'string' && idPrefix(value) !== null) ids.add(value);
    else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) look(each);
  };
  visit(document, { StringValue: ({ value }) => look(value) });
  look(variables);
  if (ids.size > MOST_IDS) throw new OrgateError('QUERY_TOO_EXPENSIVE', `Name at most ${MOST_IDS} ids at once.`);
  return [...ids];
}
