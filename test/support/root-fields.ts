import {
  getNamedType,
  type GraphQLField,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';

const SCALARS: Readonly<Record<string, string>> = {
  Int: '1',
  SafeInt: '1',
  Float: '1',
  Boolean: 'true',
  DateTime: '"2026-11-29T12:00:00Z"',
  JSONObject: '{}',
};

/** Some value that fits. */
export function literal(type: GraphQLInputType): string {
  if (isNonNullType(type)) return literal(type.ofType);
  if (isListType(type)) return `[${literal(type.ofType)}]`;
  if (isEnumType(type)) return type.getValues()[0]?.name ?? 'null';
  if (!isInputObjectType(type)) return SCALARS[type.name] ?? '"x"';
  const fields = Object.values(type.getFields()).filter(isRequiredInputField);
  return `{${fields.map((field) => `${field.name}: ${literal(field.type)}`).join(', ')}}`;
}

/** Asks for a field of the root with some value for each argument that must be there. */
export function callOf({ name, args, type }: GraphQLField<unknown, unknown>): string {
  const required = args.filter(isRequiredArgument).map((arg) => `${arg.name}: ${literal(arg.type)}`);
  const selection = isLeafType(getNamedType(type)) ? '' : ' { __typename }';
  return `${name}${required.length > 0 ? `(${required.join(', ')})` : ''}${selection}`;
}
