import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSync } from '@swc/core';
import {
  buildSchema,
  getNamedType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  Kind,
  parse,
  typeFromAST,
  TypeNameMetaFieldDef,
  SchemaMetaFieldDef,
  TypeMetaFieldDef,
  validate,
} from 'graphql';

/**
 * What the tests ask, typed: every text in them that reads as an operation stands in test/generated/documents.ts, with
 * what is answered and what its variables are called, or with what is wrong about it. `npm run generate` and
 * `npm run typecheck` do this; running tests needs none of it.
 */
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const READS_AS_OPERATION = /^\s*(?:\{\s*[\w.]|(?:query|mutation|subscription|fragment)\b[^"]*\{)/;

const schema = buildSchema(
  readdirSync(at('schema'))
    .toSorted()
    .map((file) => readFileSync(at(`schema/${file}`), 'utf8'))
    .join('\n'),
);

/** Texts of a file, put together from constants of its own where they name some. */
function* textsIn(file) {
  const nodes = [...nodesIn(parseSync(readFileSync(at(`test/${file}`), 'utf8'), { syntax: 'typescript' }))];
  const constants = new Map();
  // A name that is given twice could be either.
  for (const { kind, declarations } of nodes) {
    if (kind !== 'const') continue;
    for (const { id, init } of declarations) constants.set(id.value, constants.has(id.value) ? null : init);
  }
  for (const node of nodes) {
    const text = textOf(node, constants);
    if (text !== undefined) yield text;
  }
}

function* nodesIn(root) {
  const nodes = [root];
  for (let node = nodes.pop(); node; node = nodes.pop()) {
    yield node;
    nodes.push(...Object.values(node).filter((each) => typeof each === 'object' && each !== null));
  }
}

function textOf(node, constants) {
  if (node?.type === 'StringLiteral') return node.value;
  if (!node?.expressions || node.type !== 'TemplateLiteral') return undefined;
  const parts = node.expressions.map((each) =>
    textOf(each.type === 'Identifier' ? constants.get(each.value) : each, constants),
  );
  if (parts.includes(undefined)) return undefined;
  return node.quasis.map(({ cooked }, index) => cooked + (parts[index] ?? '')).join('');
}

const PRINTED = {
  Int: 'number',
  Float: 'number',
  SafeInt: 'number',
  Boolean: 'boolean',
  JSON: 'Json',
  JSONObject: 'Json',
};

function leaf(type) {
  if (isEnumType(type))
    return type
      .getValues()
      .map(({ name }) => `'${name}'`)
      .join(' | ');
  return PRINTED[type.name] ?? 'string';
}

/** A field that may be null is read as if it were not: a test that reads on says what it expects to be there. */
function printed(type, inner) {
  if (isNonNullType(type)) return printed(type.ofType, inner);
  return isListType(type) ? `Rows<${printed(type.ofType, inner)}>` : inner;
}

/** Fields of all fragments at once, whatever they are of: the test knows what it asked for. */
function collect(selections, parent, fragments, into = new Map()) {
  for (const each of selections) {
    const spread = each.kind === Kind.FRAGMENT_SPREAD ? fragments.get(each.name.value) : each;
    if (each.kind !== Kind.FIELD) {
      const on = spread.typeCondition ? typeFromAST(schema, spread.typeCondition) : parent;
      collect(spread.selectionSet.selections, on, fragments, into);
      continue;
    }
    const key = (each.alias ?? each.name).value;
    const { type } = fieldOf(parent, each.name.value);
    const kept = into.get(key) ?? { type, selections: [] };
    into.set(key, kept);
    kept.selections.push(...(each.selectionSet?.selections ?? []));
  }
  return into;
}

function fieldOf(parent, name) {
  const meta = [TypeNameMetaFieldDef, SchemaMetaFieldDef, TypeMetaFieldDef].find((each) => each.name === name);
  return meta ?? parent.getFields()[name];
}

function object(selections, parent, fragments) {
  const fields = [...collect(selections, parent, fragments)].map(([key, field]) => {
    const named = getNamedType(field.type);
    const inner = isLeafType(named) ? leaf(named) : object(field.selections, named, fragments);
    return `${key}: ${printed(field.type, inner)}`;
  });
  return `{ ${fields.join('; ')} }`;
}

function typed(document) {
  const ofKind = (kind) => document.definitions.filter((each) => each.kind === kind);
  const fragments = new Map(ofKind(Kind.FRAGMENT_DEFINITION).map((each) => [each.name.value, each]));
  const operations = ofKind(Kind.OPERATION_DEFINITION);
  const data = operations.map(({ operation, selectionSet }) =>
    object(selectionSet.selections, schema.getRootType(operation), fragments),
  );
  const variables = operations.flatMap((each) =>
    each.variableDefinitions.map(({ variable }) => `'${variable.name.value}'`),
  );
  return `{ data: ${data.join(' & ')}; variables: ${[...new Set(variables)].join(' | ') || 'never'} }`;
}

const [documents, wrong] = [new Map(), new Map()];
const files = readdirSync(at('test'), { recursive: true, encoding: 'utf8' })
  .toSorted()
  .filter((file) => /^(?!generated).*\.ts$/.test(file));
for (const file of files) {
  for (const text of textsIn(file)) {
    if (documents.has(text) || wrong.has(text) || !READS_AS_OPERATION.test(text)) continue;
    try {
      const document = parse(text);
      const [error] = validate(schema, document);
      if (error) throw error;
      documents.set(text, typed(document));
    } catch (error) {
      wrong.set(text, JSON.stringify(error.message));
    }
  }
}

const entries = (map) => [...map].map(([text, type]) => `  ${JSON.stringify(text)}: ${type};`).join('\n');
mkdirSync(at('test/generated'), { recursive: true });
writeFileSync(
  at('test/generated/documents.ts'),
  `// Made by .config/documents.js.
type Json = any;
/** How many there are, the test says. */
type Rows<T> = [T, T, T, T, T, T, T, T, ...T[]];

export interface Documents {
${entries(documents)}
}

export interface WrongDocuments {
${entries(wrong)}
}
`,
);
