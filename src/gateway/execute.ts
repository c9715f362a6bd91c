import {
  type DocumentNode,
  execute as interpret,
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
} from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';

type Execute = (args: Omit<ExecutionArgs, 'schema'>) => ExecutionResult | Promise<ExecutionResult>;

/**
 * Executes operations, compiled, which takes about half the CPU of interpreting a list; compiling takes less than
 * validating. Documents are kept by Apollo, which bounds them by their size; what was compiled goes with its document.
 *
 * A property that no resolver answers for is taken as it is: it is neither awaited nor called.
 */
export function createExecute(schema: GraphQLSchema): Execute {
  const known = new WeakMap<DocumentNode, Map<string, Execute>>();
  return (args) => {
    const { document, operationName } = args;
    let operations = known.get(document);
    if (!operations) known.set(document, (operations = new Map()));
    let execute = operations.get(operationName ?? '');
    if (!execute) operations.set(operationName ?? '', (execute = compile(schema, document, operationName)));
    return execute(args);
  };
}

function compile(schema: GraphQLSchema, document: DocumentNode, operationName: string | null | undefined): Execute {
  // Text, numbers and enums are what the compiler and the tables' checks say; only scalars of our own are printed.
  const compiled = compileQuery(schema, document, operationName ?? undefined, { disableLeafSerialization: true });
  if (!isCompiledQuery(compiled)) return (args) => interpret({ schema, ...args });
  return async (args) => {
    const result = await compiled.query(args.rootValue, args.contextValue, args.variableValues ?? {});
    // Variables that do not fit: nothing ran yet, and GraphQL itself says best what is wrong.
    if (result.data === undefined) return interpret({ schema, ...args });
    return result.errors ? { ...result, errors: result.errors.map(asOwn) } : result;
  };
}

/** An error of a compiled operation lacks its extensions, and could not be printed: the same, as GraphQL itself makes it. */
function asOwn({ message, locations, path, originalError }: GraphQLError): GraphQLError {
  return Object.assign(new GraphQLError(message, { path, originalError }), { locations });
}
