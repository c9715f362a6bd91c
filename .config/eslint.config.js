import { readdirSync, readFileSync } from 'node:fs';
import graphql from '@graphql-eslint/eslint-plugin';
import { Kind, parse } from 'graphql';

const { configs } = graphql;
const SCHEMA = new URL('../schema/', import.meta.url);

/** The object types of the contract that have no field `id`, and the one whose may be null: of the gateway itself in the record. */
function typesWithoutId() {
  const files = readdirSync(SCHEMA).filter((name) => name.endsWith('.graphql'));
  const definitions = files.flatMap((name) => parse(readFileSync(new URL(name, SCHEMA), 'utf8')).definitions);
  const types = definitions.filter(({ kind }) => kind === Kind.OBJECT_TYPE_DEFINITION);
  const without = types.filter(({ fields = [] }) => !fields.some(({ name }) => name.value === 'id'));
  return ['AuditActor', ...without.map(({ name }) => name.value)];
}

/** The contract's own rules: everything a client sees is described, and named and paged the usual way. */
export default [
  {
    files: ['schema/*.graphql'],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: 'schema/*.graphql' } } },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...configs['flat/schema-all'].rules,
      ...configs['flat/schema-relay'].rules,

      // By kind, and not by `rootField`: that joins the names of the root types with a comma inside a regular expression, and
      // so matches nothing. Fields of the root types are fields.
      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          DirectiveDefinition: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
        },
      ],
      // Short lists that are not paged are lists of the thing itself, as are `nodes`; and not everything that is listed can be
      // found by its id alone: a membership is told by its person, a session and a group are found in their lists.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false }],
      // What is a part of something else, or is told by what it belongs to, has no id of its own. One that is there is an ID, and
      // never null.
      '@graphql-eslint/strict-id-in-types': ['error', { exceptions: { types: typesWithoutId() } }],

      // Fields, arguments and values stand in an order that explains them: what it is, what it has, when; states as they follow.
      '@graphql-eslint/alphabetize': 'off',
      // What fits a line is written on one, what does not as a block; the rule knows one of the two.
      '@graphql-eslint/description-style': 'off',
      // The shape of mutations is one rule, which says when it is an `input` and when an id: test/guarantees/mutation-shapes.
      '@graphql-eslint/input-name': 'off',
      '@graphql-eslint/no-scalar-result-type-on-mutation': 'off',
      // The answer is the changed object itself, as printed operations have it; what else there is to read is another operation.
      '@graphql-eslint/require-field-of-type-query-in-mutation-result': 'off',
      // For contracts that may only be read.
      '@graphql-eslint/no-root-type': 'off',
    },
  },
];
