import { defaultFieldResolver, type GraphQLSchema } from 'graphql';
import { OrgateError } from '../errors.js';

type Args = Readonly<Record<string, unknown>>;

/**
 * Says of a column whose value is taken in which argument of the mutation that value came: what the store calls `name`
 * came as `input.name`, or as `name`. A domain that calls an argument otherwise than its column says so itself.
 */
export function nameTakenArguments(schema: GraphQLSchema): GraphQLSchema {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = async (parent, args: Args, context, info) => {
      try {
        return await resolve(parent, args, context, info);
      } catch (error) {
        throw inTermsOf(args, error);
      }
    };
  }
  return schema;
}

function inTermsOf(args: Args, error: unknown): unknown {
  if (!(error instanceof OrgateError) || error.taken === undefined) return error;
  const argument = argumentOf(args, error.taken);
  if (argument === undefined) return error;
  return new OrgateError(error.code, error.message, { ...error.detail, argument }, { cause: error });
}

function argumentOf({ input, ...args }: Args, column: string): string | undefined {
  if (typeof input === 'object' && input !== null && column in input) return `input.${column}`;
  return column in args ? column : undefined;
}
