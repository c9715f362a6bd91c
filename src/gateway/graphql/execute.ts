import {
  type DocumentNode,
  execute as interpret,
  type ExecutionResult,
  getNullableType,
  GraphQLError,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputObjectType,
  isListType,
  Kind,
  TypeInfo,
  type ValueNode,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';
import type { Operation } from './read-document.js';

/** With what an operation is executed. */
export interface Execution {
  readonly operation: Operation;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: unknown;
  /** Of a subscription: what its source told. */
  readonly root?: unknown;
}

type Compiled = (execution: Execution) => Promise<ExecutionResult>;

export interface ExecuteOptions {
  readonly schema: GraphQLSchema;
  /** An operation is compiled when it is asked for the nth time: most hostile ones are asked for once. */
  readonly compileFrom: number;
  /** Told of each operation whether it was compiled before. */
  readonly tellLookup?: ((isFound: boolean) => void) | undefined;
}

/** Compiling takes time that everyone waits for, 0.05 ms a selection; an operation of more is interpreted. */
const MAX_COMPILED_SELECTIONS = 500;
/** Of each second, in milliseconds: whoever sends ever new operations three times makes nobody else wait. */
const COMPILING_MS = 100;
/** Of all compiled operations together. */
const COMPILED_BYTES = 32 * 1024 * 1024;
/** An operation that would weigh more is interpreted. */
const MAX_COMPILED_BYTES = 2 * 1024 * 1024;
/** Measured: what is compiled weighs two bytes for each character of its code, and about as much again once it has run. */
const BYTES_PER_CHARACTER = 5;

/**
 * Executes operations that were let through. Those that come again are compiled, which takes about half the CPU of
 * interpreting a list, and are kept by what they weigh; whatever makes room is interpreted, and compiled again if it
 * goes on coming.
 *
 * In a compiled operation a property that no resolver answers for is taken as it is: neither awaited nor called.
 */
export function createExecute({ schema, compileFrom, tellLookup }: ExecuteOptions): Compiled {
  const compiled = new LRUCache<Operation, Compiled>({ maxSize: COMPILED_BYTES });
  let [second, spent] = [0, 0];
  const interpreted: Compiled = async ({ operation: { document }, variables, context, root }) =>
    interpret({ schema, document, variableValues: variables, contextValue: context, rootValue: root });

  return (execution) => {
    const { operation } = execution;
    const known = compiled.get(operation);
    tellLookup?.(known !== undefined);
    if (known) return known(execution);
    operation.uses += 1;
    const now = performance.now();
    if (now - second > 1000) [second, spent] = [now, 0];
    const isTooMuch = operation.whole.shape.selections > MAX_COMPILED_SELECTIONS || spent > COMPILING_MS;
    if (operation.uses < compileFrom || isTooMuch) return interpreted(execution);
    const { run, bytes: codeBytes } = compile(schema, operation, interpreted);
    // What is kept here keeps its document, also when that has made room among the documents.
    const bytes = codeBytes + operation.whole.bytes;
    spent += performance.now() - now;
    // Too large to keep is too large to compile: it is not tried again while its document is known.
    if (!run || bytes > MAX_COMPILED_BYTES) operation.uses = -Infinity;
    else compiled.set(operation, run, { size: bytes });
    return (run ?? interpreted)(execution);
  };
}

/** Where the compiler leaves the code of an operation when it is asked to; of nothing else can its weight be told. */
const CODE = '__DO_NOT_USE_THIS_OR_YOU_WILL_BE_FIRED_compilation';

const hasCode = <Q extends object>(compiled: Q): compiled is Q & { [CODE]: string } => CODE in compiled;

function compile(
  schema: GraphQLSchema,
  { document }: Operation,
  interpreted: Compiled,
): { run: Compiled | null; bytes: number } {
  if (isTakenAmiss(schema, document)) return { run: null, bytes: 0 };
  // Text, numbers and enums are what the compiler and the tables' checks say; only scalars of our own are printed.
  const options = { disableLeafSerialization: true, debug: true };
  const compiled = compileQuery(schema, document, undefined, options);
  if (!isCompiledQuery(compiled) || !hasCode(compiled)) return { run: null, bytes: 0 };
  const { query } = compiled;
  const run: Compiled = async (execution) => {
    const result = await query(execution.root, execution.context, { ...execution.variables });
    // Variables that do not fit: nothing ran yet, and GraphQL itself says best what is wrong.
    if (result.data === undefined) return interpreted(execution);
    return result.errors ? { ...result, errors: result.errors.map(asOwn) } : result;
  };
  return { run, bytes: compiled[CODE].length * BYTES_PER_CHARACTER };
}

/**
 * Whether the compiler would take something else than was written. A variable inside a value of a scalar, such as
 * `input: { prompt: $prompt }` where input is JSON: such values are made once, without the variables, and what they hold would be lost
 * without a word. And a member `__proto__`: the code has it as it stands, so that it becomes what the value inherits from.
 */
function isTakenAmiss(schema: GraphQLSchema, document: DocumentNode): boolean {
  const typeInfo = new TypeInfo(schema);
  let isFound = false;
  visit(
    document,
    visitWithTypeInfo(typeInfo, {
      ObjectField({ name }) {
        isFound ||= name.value === '__proto__';
      },
      Argument({ value }) {
        const type = typeInfo.getArgument()?.type;
        isFound ||= type === undefined || hidesVariable(value, type);
      },
    }),
  );
  return isFound;
}

function hidesVariable(value: ValueNode, nullable: GraphQLInputType): boolean {
  const type = getNullableType(nullable);
  if (isListType(type)) {
    const values = value.kind === Kind.LIST ? value.values : [value];
    return values.some((each) => hidesVariable(each, type.ofType as GraphQLInputType));
  }
  if (value.kind === Kind.OBJECT && isInputObjectType(type)) {
    const fields = type.getFields();
    return value.fields.some(({ name, value: inside }) => {
      const field = fields[name.value];
      return field === undefined || hidesVariable(inside, field.type);
    });
  }
  if (value.kind !== Kind.OBJECT && value.kind !== Kind.LIST) return false;
  let isFound = false;
  visit(value, { Variable: () => void (isFound = true) });
  return isFound;
}

/** An error of a compiled operation lacks its extensions, and could not be printed: the same, as GraphQL itself makes it. */
function asOwn({ message, locations, path, originalError }: GraphQLError): GraphQLError {
  return Object.assign(new GraphQLError(message, { path, originalError }), { locations });
}
