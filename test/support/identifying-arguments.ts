import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLSchema,
  isInputObjectType,
  isObjectType,
  getNamedType,
} from 'graphql';

const IDENTIFYING =
  /^(id|ids|slug|name|email|after|before|secret|token|domain|.*(Id|Ids|Key|Secret|Token|Slug|Email))$/;

/** Every argument and nested input field of every field that takes an id, slug, name, cursor, e-mail or secret, by path. */
export function identifyingArguments(schema: GraphQLSchema): string[] {
  const paths: string[] = [];
  const visit = (argument: GraphQLArgument | GraphQLInputField, path: string, seen: readonly string[]) => {
    const type = getNamedType(argument.type);
    if (isInputObjectType(type)) {
      if (seen.includes(type.name)) return;
      for (const field of Object.values(type.getFields())) visit(field, `${path}.${field.name}`, [...seen, type.name]);
    } else if (type.name === 'ID' || (type.name === 'String' && IDENTIFYING.test(argument.name))) {
      paths.push(path);
    }
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      for (const argument of field.args) visit(argument, `${type.name}.${field.name}.${argument.name}`, []);
    }
  }
  return paths;
}

/** Attempts that a domain's own test hands to describeIsolation. */
export function attemptsOfDomainTests(): string[] {
  const directory = new URL('../domains/', import.meta.url);
  const texts = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(path.join(parentPath, name), 'utf8'));
  return texts
    .filter((text) => text.includes('describeIsolation('))
    .flatMap((text) => [...text.matchAll(/'([A-Z]\w*(?:\.\w+){2,})': /g)].map(([, path]) => path as string));
}
