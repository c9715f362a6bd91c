import { readdirSync, readFileSync } from 'node:fs';
import { isEnumType } from 'graphql';

const MODELS = new URL('../prisma/models/', import.meta.url);
const FIELD = /^ {2}(\w+) .*\/\/ one of (\w+)(?: but)?((?:,? \w+)*)$/gm;

/**
 * A plugin of graphql-codegen: which words the text columns of organizations hold, as their models say at the column.
 * `// one of RunStatus` are all of that enum of the contract, `// one of RunStatus but QUEUED, RUNNING` the others of it, and
 * `// one of SLUG, DOMAIN` words that only the store tells apart.
 *
 * @param {import('graphql').GraphQLSchema} schema
 */
export function plugin(schema) {
  const models = readdirSync(MODELS)
    .toSorted()
    .flatMap((file) => [...readFileSync(new URL(file, MODELS), 'utf8').matchAll(/^model (\w+) \{\n([^]*?)^\}/gm)]);
  const columns = models.flatMap(([, model, body]) => {
    const fields = [...body.matchAll(FIELD)].map(([, field, first, rest]) => {
      const words = wordsOf(schema, first, rest.match(/\w+/g) ?? [], `${model}.${field}`);
      return `    ${field}: { ${words.map((word) => `${word}: '${word}'`).join(', ')} },\n`;
    });
    return fields.length > 0 ? [`  ${model}: {\n${fields.join('')}  },\n`] : [];
  });
  return `export const WORDS = {\n${columns.join('')}} as const;\n`;
}

function wordsOf(schema, first, others, column) {
  if (/^[A-Z_]+$/.test(first)) return [first, ...others];
  const type = schema.getType(first);
  if (!isEnumType(type)) throw new Error(`${column} holds one of ${first}, and schema/ has no enum of that name`);
  const words = type.getValues().map(({ name }) => name);
  const unknown = others.filter((word) => !words.includes(word));
  if (unknown.length > 0) throw new Error(`${column} holds none of ${unknown.join(', ')}, and ${first} has none such`);
  return words.filter((word) => !others.includes(word));
}
