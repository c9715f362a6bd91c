import type { ApolloServerPlugin } from '@apollo/server';
import {
  type ASTVisitor,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
  visit,
} from 'graphql';
import { type ComplexityEstimator, getComplexity, simpleEstimator } from 'graphql-query-complexity';
import type { RequestContext } from '../context/context.js';

/** What one document may ask for. Measured against the whole document, fragments spread out for depth and cost. */
export const QUERY_LIMITS = {
  tokens: 4000,
  depth: 14,
  aliases: 30,
  /** The same field again in one selection. */
  duplicates: 20,
  directives: 30,
  recursiveSelections: 100_000,
} as const;

/** A validation rule that bounds the shape of a document. Introspection has a bound of its own in GraphQL. */
export function structureRule(context: ValidationContext): ASTVisitor {
  let aliases = 0;
  let directives = 0;
  let duplicates = 0;
  const refuse = (what: string) => context.reportError(new GraphQLError(`The document has too many ${what}.`));
  return {
    Document: {
      leave(document) {
        const fragments = new Map<string, FragmentDefinitionNode>();
        for (const node of document.definitions)
          if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
        const memo = new Map<string, number>();
        const depth = Math.max(
          0,
          ...document.definitions.map((node) =>
            node.kind === Kind.OPERATION_DEFINITION ? depthOf(node.selectionSet, fragments, memo) : 0,
          ),
        );
        if (depth > QUERY_LIMITS.depth) refuse('levels');
        if (aliases > QUERY_LIMITS.aliases) refuse('aliases');
        if (directives > QUERY_LIMITS.directives) refuse('directives');
        if (duplicates > QUERY_LIMITS.duplicates) refuse('repeated fields');
      },
    },
    Field(node) {
      if (node.alias) aliases += 1;
    },
    Directive() {
      directives += 1;
    },
    SelectionSet(node) {
      const names = node.selections.filter((each): each is FieldNode => each.kind === Kind.FIELD).map(responseKey);
      duplicates += names.length - new Set(names).size;
    },
  };
}

const responseKey = (field: FieldNode): string => (field.alias ?? field.name).value;

function depthOf(
  set: SelectionSetNode,
  fragments: Map<string, FragmentDefinitionNode>,
  memo: Map<string, number>,
): number {
  return Math.max(
    0,
    ...set.selections.map((node) => {
      if (node.kind === Kind.FIELD) {
        if (node.name.value.startsWith('__') || !node.selectionSet) return 1;
        return 1 + depthOf(node.selectionSet, fragments, memo);
      }
      if (node.kind === Kind.INLINE_FRAGMENT) return depthOf(node.selectionSet, fragments, memo);
      const name = node.name.value;
      const fragment = fragments.get(name);
      if (!fragment) return 0; // another rule says so
      const known = memo.get(name);
      if (known !== undefined) return known;
      memo.set(name, 0); // a fragment that spreads itself is refused by another rule
      const depth = depthOf(fragment.selectionSet, fragments, memo);
      memo.set(name, depth);
      return depth;
    }),
  );
}

/** A list costs its rows times what each row costs; everything else one. */
const listEstimator: ComplexityEstimator = ({ args, childComplexity, field }) => {
  if (Array.isArray(args['ids'])) return 1 + args['ids'].length * childComplexity;
  if (!field.args.some(({ name }) => name === 'first')) return undefined;
  const first: unknown = args['first'];
  return 1 + Math.min(Math.max(typeof first === 'number' ? first : 20, 1), 100) * childComplexity;
};

/** Refuses operations whose lists, multiplied out, cost more than `maxCost` fields. */
export function costLimit(maxCost: number): ApolloServerPlugin<RequestContext> {
  const costOf = rememberCosts();
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ schema, document, request }) {
          const cost = costOf(schema, document, request.operationName, request.variables ?? {});
          if (cost !== null && cost > maxCost) {
            throw new GraphQLError(`This operation costs ${cost}, more than ${maxCost}; ask for fewer rows.`, {
              extensions: { code: 'QUERY_TOO_EXPENSIVE', http: { status: 400 } },
            });
          }
        },
      };
    },
  };
}

const MAX_REMEMBERED = 100;

/**
 * Counts what an operation costs. The same documents come again and again, and few variables change the cost, so the
 * cost is counted once for each document and each choice of those.
 */
function rememberCosts() {
  const known = new WeakMap<DocumentNode, { names: readonly string[]; costs: Map<string, number> }>();
  return (
    schema: GraphQLSchema,
    document: DocumentNode,
    operationName: string | undefined,
    variables: Record<string, unknown>,
  ): number | null => {
    let entry = known.get(document);
    if (!entry) known.set(document, (entry = { names: costlyVariables(document), costs: new Map() }));
    // Left out is not null: it lets the variable's default count.
    const chosen = entry.names.map((name) => (variables[name] === undefined ? [] : [variables[name]]));
    const key = JSON.stringify([operationName, ...chosen]);
    const before = entry.costs.get(key);
    if (before !== undefined) return before;
    try {
      const cost = getComplexity({
        schema,
        query: document,
        ...(operationName && { operationName }),
        variables,
        estimators: [listEstimator, simpleEstimator({ defaultComplexity: 1 })],
      });
      if (entry.costs.size >= MAX_REMEMBERED) entry.costs.clear();
      entry.costs.set(key, cost);
      return cost;
    } catch (error) {
      // Variables that do not fit: GraphQL refuses them next, in its own words, and runs nothing.
      if (error instanceof GraphQLError && error.message.startsWith('Variable "$')) return null;
      throw error;
    }
  };
}

/** Variables that say how many rows are asked for, or whether a field is. */
function costlyVariables(document: DocumentNode): string[] {
  const names = new Set<string>();
  visit(document, {
    Argument: ({ name, value }) => {
      if (value.kind === Kind.VARIABLE && ['first', 'ids', 'if'].includes(name.value)) names.add(value.name.value);
      if (value.kind === Kind.LIST) {
        for (const each of value.values) if (each.kind === Kind.VARIABLE) names.add(each.name.value);
      }
    },
  });
  return [...names];
}
