import {
  defaultFieldResolver,
  getNullableType,
  type GraphQLFieldResolver,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputObjectType,
  isListType,
  isObjectType,
} from 'graphql';
import { badInput } from '../../errors.js';

const MAX_STRING = 10_000;
const MAX_JSON_BYTES = 65_536;
const MAX_JSON_LEVELS = 100;
const MAX_LIST = 1_000;

/**
 * Bounds every argument of every field, whatever its domain checks beside: a new field is bounded from its first day.
 * Also refuses text and instants that PostgreSQL cannot hold, which would otherwise fail in the middle of the work.
 */
export function boundArguments(schema: GraphQLSchema): GraphQLSchema {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      if (field.args.length === 0) continue;
      const bound = (resolve: GraphQLFieldResolver<unknown, unknown>): GraphQLFieldResolver<unknown, unknown> => {
        return (parent, args, context, info) => {
          for (const each of field.args) check(args[each.name], each.name, each.type);
          return resolve(parent, args, context, info);
        };
      };
      field.resolve = bound(field.resolve ?? defaultFieldResolver);
      if (field.subscribe) field.subscribe = bound(field.subscribe);
    }
  }
  return schema;
}

function check(value: unknown, path: string, nullable: GraphQLInputType): void {
  const type = getNullableType(nullable);
  if (value === undefined || value === null) return;
  if (isListType(type)) {
    const entries = value as unknown[];
    if (entries.length > MAX_LIST) throw badInput(path, `At most ${MAX_LIST} entries.`);
    entries.forEach((each, index) => check(each, `${path}.${index}`, type.ofType as GraphQLInputType));
  } else if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) {
      check((value as Record<string, unknown>)[field.name], `${path}.${field.name}`, field.type);
    }
  } else if (type.name.startsWith('JSON')) {
    checkJson(value, path);
  } else if (value instanceof Date) {
    const year = value.getUTCFullYear();
    if (year < 1 || year > 9999) throw badInput(path, 'Must be of the years 0001 to 9999, in UTC.');
  } else if (typeof value === 'string') {
    if (value.length > MAX_STRING) throw badInput(path, `At most ${MAX_STRING} characters.`);
    checkText(value, path);
  }
}

/** A path into JSON would repeat the names that the client sent; it ends where the JSON begins. */
function checkJson(value: unknown, path: string): void {
  checkLevels(value, path, 1);
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_JSON_BYTES) throw badInput(path, 'At most 64 KiB.');
}

function checkLevels(value: unknown, path: string, level: number): void {
  if (typeof value === 'string') checkText(value, path);
  if (typeof value !== 'object' || value === null) return;
  if (level > MAX_JSON_LEVELS) throw badInput(path, `At most ${MAX_JSON_LEVELS} levels.`);
  for (const [name, each] of Object.entries(value)) {
    checkText(name, path);
    checkLevels(each, path, level + 1);
  }
}

/** Of control characters only tabs and line ends are text; each of the others is printed as six. */
// oxlint-disable-next-line no-control-regex -- it is what this is about
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

function checkText(text: string, path: string): void {
  if (CONTROL.test(text) || !text.isWellFormed()) throw badInput(path, 'Not valid text.');
}
