import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { CodegenConfig } from '@graphql-codegen/cli';

const namesIn = (file: string, each: RegExp): string[] =>
  existsSync(file) ? [...readFileSync(file, 'utf8').matchAll(each)].map(([, name]) => name as string) : [];

/** A type named like an org-owned model is answered from its row. */
const rows = readdirSync('prisma/models')
  .flatMap((file) => namesIn(`prisma/models/${file}`, /^model (\w+) \{[^}]*\borgId\b/gm))
  .map((name) => [name, `../data/organization/table.js#Row<'${name}'>`]);

/** And one whose domain says otherwise from what its parent.ts exports: `Session` from `SessionParent`. */
const parents = readdirSync('src/domains').flatMap((domain) =>
  namesIn(`src/domains/${domain}/parent.ts`, /^export (?:interface |type (?:\{ \w+ as )?)(\w+)Parent\b/gm).map(
    (name) => [name, `../domains/${domain}/parent.js#${name}Parent`],
  ),
);

const config: CodegenConfig = {
  // One text, since several files would come in whatever order they are read; and as it is written, since lists that show
  // every word show them in this order.
  schema: readdirSync('schema')
    .toSorted()
    .map((file) => readFileSync(`schema/${file}`, 'utf8'))
    .join('\n'),
  config: { sort: false },
  generates: {
    // The words alone, for those who know nothing of GraphQL: what is stored, and what is checked, are the same.
    'src/generated/enums.ts': {
      plugins: ['typescript'],
      config: { onlyEnums: true, enumsAsConst: true, namingConvention: 'keep' },
    },
    'src/generated/words.ts': { plugins: ['./.config/words.js'] },
    'src/generated/graphql.ts': {
      plugins: ['typescript', 'typescript-resolvers'],
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        // What is left out of an object would be null without anybody having said so.
        avoidOptionals: { field: true },
        scalars: {
          ID: 'string',
          DateTime: 'Date',
          SafeInt: { input: 'number', output: 'number | bigint' },
          JSON: 'unknown',
          JSONObject: 'Record<string, unknown>',
        },
        contextType: '../context/context.js#RequestContext',
        mappers: { ...Object.fromEntries(rows), ...Object.fromEntries(parents) },
      },
    },
  },
};

export default config;
