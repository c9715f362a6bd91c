import { type FieldNode, Kind, OperationTypeNode, type SelectionSetNode, valueFromASTUntyped, visit } from 'graphql';
import { idPrefix } from '../../data/id.js';
import { OrgateError } from '../../errors.js';
import type { Operation } from './read-document.js';
import { type Variables, withDefaults } from './with-defaults.js';

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

/** What is told of arguments altogether, in characters, and of a single text among them. */
const MOST_TOLD = 16_384;
const MOST_OF_ONE = 1024;

/**
 * The arguments that an operation gives, each once, with the field that they are given to. Of a query with their values, so that what
 * was searched for is known: `members.search: "doe"`; nothing that is read takes a secret, which a test holds. What a mutation is given is told by the names within: what it changed is told by itself,
 * and what it was to change may be a secret.
 *
 * @throws QUERY_TOO_EXPENSIVE past `MOST_TOLD`: all of them are told, or nothing is done
 */
export function namedArguments({ node, fragments }: Operation, variables: Variables): string[] {
  const values = withDefaults(node, variables);
  const isChange = node.operation === OperationTypeNode.MUTATION;
  const told = new Set<string>();
  const seen = new Set<string>();
  let length = 0;
  const tell = (path: string, { arguments: given = [] }: FieldNode, isRoot: boolean): void => {
    for (const { name, value } of given) {
      const of: unknown = valueFromASTUntyped(value, values);
      if (of === undefined) continue;
      const line = `${path}.${name.value}: ${isChange && isRoot ? cut(namesIn(of)) : JSON.stringify(of, cutText)}`;
      if (told.has(line)) continue;
      told.add(line);
      length += line.length;
      if (length > MOST_TOLD)
        throw new OrgateError('QUERY_TOO_EXPENSIVE', 'More arguments than can be told: give fewer at once.');
    }
  };
  const gather = ({ selections }: SelectionSetNode, within: string): void => {
    for (const each of selections) {
      if (each.kind === Kind.FIELD) {
        const path = `${within}${each.name.value}`;
        if (each.name.value.startsWith('__')) continue;
        tell(path, each, within === '');
        if (each.selectionSet) gather(each.selectionSet, `${path}.`);
        continue;
      }
      const spread = each.kind === Kind.FRAGMENT_SPREAD;
      // A fragment gives the same wherever it stands at the same place.
      const at = spread ? `${within} ${each.name.value}` : '';
      if (spread && seen.has(at)) continue;
      if (spread) seen.add(at);
      const set = spread ? fragments.get(each.name.value)?.selectionSet : each.selectionSet;
      if (set) gather(set, within);
    }
  };
  gather(node.selectionSet, '');
  return [...told];
}

const namesIn = (value: unknown): string =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? `{ ${Object.keys(value).join(' ')} }` : '…';

/** Nothing that stands beside a long text ends with it: whoever gives one first would hide what they search for. */
const cutText = (_name: string, value: unknown): unknown => (typeof value === 'string' ? cut(value) : value);

/** Into whole characters: half of one is none that the record could hold. */
const cut = (text: string): string =>
  text.length > MOST_OF_ONE ? `${text.slice(0, MOST_OF_ONE).toWellFormed()}…` : text;

const MOST_IDS = 500;

/**
 * The ids that an operation names, in its text or its variables, each once.
 *
 * @throws QUERY_TOO_EXPENSIVE past `MOST_IDS`: all of them are told, or nothing is done
 */
export function namedIds({ document }: Operation, variables: Variables): string[] {
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
