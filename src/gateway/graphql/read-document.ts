import {
  BREAK,
  type DocumentNode,
  type FragmentDefinitionNode,
  getOperationAST,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  parse,
  print,
  type SelectionSetNode,
  Source,
  specifiedRules,
  TokenKind,
  validate,
  visit,
} from 'graphql';
import { checkStructure, fragmentsOf, type Shape } from './check-structure.js';
import { DOCUMENT_LIMITS, MAX_VALIDATION_ERRORS, STRANGERS_LIMITS } from './document-limits.js';
import { requestError } from './request-error.js';

/**
 * One operation of a document that was bounded and validated. It is made here and nowhere else, and only what is one is
 * priced, limited and executed: they cannot look at different things.
 */
export class Operation {
  /** How often it was asked for. */
  uses = 0;
  /** What it costs, once that is counted, where its variables have no say in it. */
  fixedPrice: number | null = null;
  /** It alone, with the document's fragments: whatever executes this has nothing to choose from. */
  readonly document: DocumentNode;
  #lasting: WeakRef<Operation> | undefined;

  constructor(
    readonly node: OperationDefinitionNode,
    readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>,
    /** It lives for as long as this does, and weighs more. */
    readonly whole: Pick<ReadDocument, 'shape' | 'bytes'>,
  ) {
    this.document = { kind: Kind.DOCUMENT, definitions: [node, ...fragments.values()] };
  }

  /**
   * The same with nothing of its text: no comments, no places, and no names that are pieces of it and keep it whole. For
   * whoever keeps it for hours; all who do so at a time are given the same one.
   */
  get lasting(): Operation {
    const known = this.#lasting?.deref();
    if (known) return known;
    const text = print(this.document);
    const document = parse(text, { noLocation: true });
    const [node] = document.definitions;
    if (node?.kind !== Kind.OPERATION_DEFINITION) throw new Error('an operation was printed that is none');
    const bytes = countNodes(document) * BYTES_PER_BARE_NODE + 2 * text.length;
    const lasting = new Operation(node, fragmentsOf(document), { shape: this.whole.shape, bytes });
    this.#lasting = new WeakRef(lasting);
    return lasting;
  }
}

/** More is no name that anybody would give. */
const MOST_OF_A_NAME = 200;

/** A document, read once: what is wrong with it, or its operations. */
export class ReadDocument {
  /** What it took to find that something is wrong with it, in milliseconds. Such a document is never kept: this tells of nobody else. */
  refusedMs = 0;
  readonly #operations = new Map<OperationDefinitionNode, Operation>();
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  #bytes: number | undefined;

  /** @param errors what is wrong with it; of one that has any, nothing is executed */
  constructor(
    readonly document: DocumentNode,
    readonly errors: readonly GraphQLError[],
    readonly shape: Shape = { selections: 0, pairs: 0 },
  ) {
    this.#fragments = fragmentsOf(document);
  }

  /**
   * The operation that a request names, as GraphQL says: the only one where it names none.
   *
   * @returns an error when there is none of this name, when it is too long for one, or none was named of several
   */
  operation(name: string | null | undefined): Operation | GraphQLError {
    if ((name?.length ?? 0) > MOST_OF_A_NAME) {
      return requestError('BAD_REQUEST', `An operation name has at most ${MOST_OF_A_NAME} characters.`);
    }
    const node = getOperationAST(this.document, name);
    if (!node) return requestError('OPERATION_RESOLUTION_FAILURE', this.#whyNone(name));
    let operation = this.#operations.get(node);
    if (!operation) this.#operations.set(node, (operation = new Operation(node, this.#fragments, this)));
    return operation;
  }

  /** What it weighs in memory, without its text. */
  get bytes(): number {
    return (this.#bytes ??= weigh(this.document));
  }

  /** In GraphQL's own words. */
  #whyNone(name: string | null | undefined): string {
    if (name != null) return `Unknown operation named "${name}".`;
    const isAny = this.document.definitions.some(({ kind }) => kind === Kind.OPERATION_DEFINITION);
    return isAny ? 'Must provide operation name if query contains multiple operations.' : 'Must provide an operation.';
  }
}

/** Measured: 180 to 350 bytes a node, with its tokens and places; short documents weigh most a node. */
const BYTES_PER_NODE = 350;
/** The same of one without them. */
const BYTES_PER_BARE_NODE = 130;
/** Comments are no nodes, but stay between the tokens that are: 70 bytes each, and what they say. */
const BYTES_PER_COMMENT = 100;

function countNodes(document: DocumentNode): number {
  let nodes = 0;
  visit(document, {
    enter() {
      nodes += 1;
    },
  });
  return nodes;
}

function weigh(document: DocumentNode): number {
  let bytes = countNodes(document) * BYTES_PER_NODE;
  for (let token = document.loc?.startToken; token; token = token.next ?? undefined) {
    if (token.kind === TokenKind.COMMENT) bytes += BYTES_PER_COMMENT;
  }
  return bytes;
}

const EMPTY: DocumentNode = { kind: Kind.DOCUMENT, definitions: [] };

export interface ReadOptions {
  readonly schema: GraphQLSchema;
  /** Whether the schema may be asked for, and is hinted at in what is refused. */
  readonly introspection: boolean;
  /** Whoever is not signed in may ask little. */
  readonly isStranger: boolean;
}

/** Reads a document: its size, its tokens and its shape are bounded before GraphQL's own validation looks. */
export function readDocument(text: string, options: ReadOptions): ReadDocument {
  const limits = options.isStranger ? STRANGERS_LIMITS : DOCUMENT_LIMITS;
  if (text.length > limits.characters) {
    return refused(requestError('GRAPHQL_PARSE_FAILED', `The document has more than ${limits.characters} characters.`));
  }
  const source = new Source(text);
  let document: DocumentNode;
  try {
    document = parse(source, { maxTokens: limits.tokens });
  } catch (error) {
    if (error instanceof GraphQLError) return refused(asRequestError('GRAPHQL_PARSE_FAILED', error));
    // The parser calls itself for each level, and so runs out of stack before it runs out of tokens.
    if (error instanceof RangeError) {
      return refused(requestError('GRAPHQL_PARSE_FAILED', `The document has more than ${limits.depth} levels.`));
    }
    throw error;
  }
  // Of each thing that fails GraphQL looks for the line, from the first on: thousands of fields times 65,536 lines. It finds nothing to
  // look through; clients are told what the tokens know.
  source.body = '';
  const shape = checkStructure(document, limits);
  if (shape instanceof GraphQLError) return refused(asRequestError('GRAPHQL_VALIDATION_FAILED', shape));
  const errors = findErrors(document, options).map((error) => asRequestError('GRAPHQL_VALIDATION_FAILED', error));
  return new ReadDocument(document, errors, shape);
}

function refused(error: GraphQLError): ReadDocument {
  return new ReadDocument({ ...EMPTY }, [error]);
}

function findErrors(document: DocumentNode, { schema, introspection }: ReadOptions): readonly GraphQLError[] {
  const fragments = fragmentsOf(document);
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue;
    if (!schema.getRootType(node.operation)) {
      return [new GraphQLError(`There are no ${node.operation}s here.`, { nodes: node })];
    }
    if (node.operation === OperationTypeNode.SUBSCRIPTION && isConditional(node.selectionSet, fragments)) {
      return [new GraphQLError('What is subscribed to stands there without @skip and @include.', { nodes: node })];
    }
  }
  if (!introspection && asksForSchema(document)) return [new GraphQLError('Introspection is off here.')];
  const errors = validate(schema, document, specifiedRules, { maxErrors: MAX_VALIDATION_ERRORS });
  return introspection ? errors : errors.map(withoutSuggestion);
}

/**
 * Whether it depends on variables what a subscription subscribes to. Validation throws where it does, and execution where nothing
 * is left.
 */
function isConditional(
  { selections }: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  seen = new Set<string>(),
): boolean {
  return selections.some((node) => {
    if (node.directives?.some(({ name }) => name.value === 'skip' || name.value === 'include')) return true;
    if (node.kind === Kind.FIELD) return false;
    if (node.kind === Kind.INLINE_FRAGMENT) return isConditional(node.selectionSet, fragments, seen);
    const fragment = seen.has(node.name.value) ? undefined : fragments.get(node.name.value);
    return fragment !== undefined && isConditional(fragment.selectionSet, fragments, seen.add(node.name.value));
  });
}

function asksForSchema(document: DocumentNode): boolean {
  let isAsked = false;
  visit(document, {
    Field({ name: { value } }) {
      if (value !== '__schema' && value !== '__type') return undefined;
      isAsked = true;
      return BREAK;
    },
  });
  return isAsked;
}

/** What GraphQL thinks was meant is a piece of the schema. */
function withoutSuggestion(error: GraphQLError): GraphQLError {
  const [plain = ''] = error.message.split(' Did you mean ');
  return new GraphQLError(plain, { nodes: error.nodes ?? null });
}

const asRequestError = (code: Parameters<typeof requestError>[0], error: GraphQLError): GraphQLError =>
  requestError(code, error.message, error);
