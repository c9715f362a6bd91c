import {
  type ASTNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  visit,
} from 'graphql';
import type { DocumentLimits } from './document-limits.js';

/** What a document comes to with every fragment spread out: see DocumentLimits. */
export interface Shape {
  readonly selections: number;
  readonly pairs: number;
}

/**
 * Bounds the shape of a document. It visits each node once, and each selection as often as its fragments are spread, but
 * stops at the first bound that is passed: what it takes depends on the limits, and not on the document.
 *
 * @returns what is too much or never good, or else what it comes to with every fragment spread out
 */
export function checkStructure(document: DocumentNode, limits: DocumentLimits): GraphQLError | Shape {
  try {
    countWritten(document, limits);
    return countSpread(document, limits);
  } catch (error) {
    if (error instanceof Fault) return new GraphQLError(`The document has ${error.message}.`);
    throw error;
  }
}

class Fault extends Error {}

class TooMuch extends Fault {
  constructor(limit: number, what: string) {
    super(`more than ${limit} ${what}`);
  }
}

/** A counter that throws when it passes its limit. */
function counter(limit: number, what: string): (by?: number) => number {
  let count = 0;
  return (by = 1) => {
    count += by;
    if (count > limit) throw new TooMuch(limit, what);
    return count;
  };
}

/** What stands in the text, each thing once. */
function countWritten(document: DocumentNode, limits: DocumentLimits): void {
  const alias = counter(limits.aliases, 'aliases');
  const directive = counter(limits.directives, 'directives');
  const duplicate = counter(limits.duplicates, 'repeated fields');
  const fragment = counter(limits.fragments, 'fragments');
  const operation = counter(limits.operations, 'operations');
  let valueDepth = 0;
  visit(document, {
    enter(node: ASTNode) {
      if ('directives' in node && (node.directives?.length ?? 0) > limits.directivesInOnePlace) {
        throw new TooMuch(limits.directivesInOnePlace, 'directives in one place');
      }
      // Written out as a member, of JSON or of the answer, it would be the prototype of an object, or gone without a word.
      if (node.kind === Kind.NAME && node.value === '__proto__') throw new Fault('the name __proto__');
      if (node.kind === Kind.DIRECTIVE) directive();
      else if (node.kind === Kind.FRAGMENT_DEFINITION) fragment();
      else if (node.kind === Kind.OPERATION_DEFINITION) operation();
      else if (node.kind === Kind.FIELD && node.alias) alias();
      else if (node.kind === Kind.SELECTION_SET) duplicate(repeatedIn(node));
      else if (isNesting(node) && ++valueDepth > limits.valueDepth)
        throw new TooMuch(limits.valueDepth, 'levels in a value');
    },
    leave(node: ASTNode) {
      if (isNesting(node)) valueDepth -= 1;
    },
  });
}

const isNesting = ({ kind }: ASTNode): boolean => kind === Kind.LIST || kind === Kind.OBJECT;

const responseName = ({ alias, name }: FieldNode): string => (alias ?? name).value;

function repeatedIn({ selections }: SelectionSetNode): number {
  const names = selections.filter((node) => node.kind === Kind.FIELD).map(responseName);
  return names.length - new Set(names).size;
}

/** Fields of one name so far, and what stands in their arguments. */
interface Repeated {
  readonly fields: number;
  readonly printed: number;
}

/** Of a field's arguments, so many nodes take as long to print as a pair takes otherwise; two plain arguments are fewer. */
const NODES_A_PAIR = 8;

/** How much there is to print of a field's arguments, in pairs. */
function argumentsOf({ arguments: given = [] }: FieldNode): number {
  let nodes = 0;
  for (const argument of given) {
    visit(argument, {
      enter() {
        nodes += 1;
      },
    });
  }
  return Math.floor(nodes / NODES_A_PAIR);
}

/** What every operation comes to with its fragments spread out. */
function countSpread(document: DocumentNode, limits: DocumentLimits): Shape {
  const fragments = fragmentsOf(document);
  const selection = counter(limits.selections, 'fields and fragments, all fragments spread out');
  const pair = counter(limits.pairs, 'pairs of fields of one name, all fragments spread out');
  const sizes = new Map<FieldNode, number>();
  const spreading = new Set<string>();
  const reached = new Set<string>();

  const spread = (set: SelectionSetNode, names: Map<string, Repeated>, level: number): void => {
    for (const node of set.selections) {
      selection();
      if (node.kind === Kind.FIELD) {
        const name = responseName(node);
        const before = names.get(name) ?? { fields: 0, printed: 0 };
        const printed = sizes.get(node) ?? argumentsOf(node);
        sizes.set(node, printed);
        // Of each pair the arguments of both are printed, to see whether they are the same.
        pair(before.fields * (1 + printed) + before.printed);
        names.set(name, { fields: before.fields + 1, printed: before.printed + printed });
        if (level > limits.depth) throw new TooMuch(limits.depth, 'levels');
        const isIntrospection = node.name.value.startsWith('__');
        if (node.selectionSet) spread(node.selectionSet, new Map(), isIntrospection ? -Infinity : level + 1);
      } else if (node.kind === Kind.INLINE_FRAGMENT) {
        spread(node.selectionSet, names, level);
      } else {
        const name = node.name.value;
        const fragment = fragments.get(name);
        reached.add(name);
        // What is not there, or spreads itself, is for another rule to tell.
        if (!fragment || spreading.has(name)) continue;
        spreading.add(name);
        spread(fragment.selectionSet, names, level);
        spreading.delete(name);
      }
    }
  };
  for (const node of document.definitions) {
    if (node.kind === Kind.OPERATION_DEFINITION) spread(node.selectionSet, new Map(), 1);
  }
  // One that nothing spreads is refused by another rule, after its fields were compared like all others.
  for (const [name, { selectionSet }] of fragments) if (!reached.has(name)) spread(selectionSet, new Map(), 1);
  return { selections: selection(0), pairs: pair(0) };
}

export const fragmentsOf = ({ definitions }: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> =>
  new Map(
    definitions
      .filter((node): node is FragmentDefinitionNode => node.kind === Kind.FRAGMENT_DEFINITION)
      .map((node) => [node.name.value, node]),
  );
