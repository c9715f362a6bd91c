import { defaultFieldResolver, type GraphQLSchema, isObjectType } from 'graphql';
import { badInput } from '../errors.js';

const MAX_STRING = 10_000;
const MAX_JSON_BYTES = 65_536;
const MAX_LIST = 1_000;

/**
 * Bounds every argument of every field, whatever its domain checks beside: a new field is bounded from its first day.
 * Also refuses text that PostgreSQL cannot hold, which would otherwise fail in the middle of the work.
 */
export function boundArguments(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      if (field.args.length === 0) continue;
      const resolve = field.resolve ?? defaultFieldResolver;
      field.resolve = (parent, args, context, info) => {
        for (const [name, value] of Object.entries(args)) check(value, name);
        return resolve(parent, args, context, info) as unknown;
      };
    }
  }
  return schema;
}

function check(value: unknown, path: string): void {
  if (typeof value === 'string') {
    if (value.length > MAX_STRING) throw badInput(path, `At most ${MAX_STRING} characters.`);
    if (value.includes('\0') || !value.isWellFormed()) throw badInput(path, 'Not valid text.');
  } else if (Array.isArray(value)) {
    if (value.length > MAX_LIST) throw badInput(path, `At most ${MAX_LIST} entries.`);
    value.forEach((each, index) => check(each, `${path}.${index}`));
  } else if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    if (Buffer.byteLength(JSON.stringify(value)) > MAX_JSON_BYTES) throw badInput(path, 'At most 64 KiB.');
    for (const [name, each] of Object.entries(value)) {
      check(name, path);
      check(each, `${path}.${name}`);
    }
  }
}
