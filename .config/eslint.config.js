import graphql from '@graphql-eslint/eslint-plugin';

/** The contract's own rules: everything a client sees is described, and named the usual way. */
export default [
  {
    files: ['schema/*.graphql'],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: 'schema/*.graphql' } } },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      '@graphql-eslint/description-style': 'off',
      '@graphql-eslint/known-type-names': 'error',
      '@graphql-eslint/naming-convention': [
        'error',
        {
          types: 'PascalCase',
          FieldDefinition: 'camelCase',
          InputValueDefinition: 'camelCase',
          EnumValueDefinition: 'UPPER_CASE',
        },
      ],
      '@graphql-eslint/no-hashtag-description': 'error',
      '@graphql-eslint/no-unreachable-types': 'error',
      '@graphql-eslint/unique-type-names': 'error',
      '@graphql-eslint/require-description': [
        'error',
        { ScalarTypeDefinition: true, InterfaceTypeDefinition: true, DirectiveDefinition: true, rootField: true },
      ],
    },
  },
];
