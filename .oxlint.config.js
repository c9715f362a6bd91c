import { defineConfig } from 'oxlint';

/** Who may make the id of an organization, beside `enter-organization`: whoever works outside any, for one. */
const MINT = 'only enter-organization, identity and what stands outside any organization make the id of one';
const minting = (importNames, message = MINT) => ({
  group: ['**/data/id.js', './id.js', '../id.js'],
  importNames,
  message,
});
const NO_ID = minting(['brandVerifiedOrgId', 'brandOrgId']);
const NOT_VERIFIED = minting(['brandVerifiedOrgId'], 'who works without a membership verifies none');

const CONNECTION = {
  group: [
    '**/data/connection/directory-query.js',
    '**/data/connection/frame.js',
    '**/data/connection/org-connection.js',
    '**/data/organization/scope.js',
    '**/data/database.js',
  ],
  message: 'what is above data sees OrganizationDb; statements outside it stand in outside.ts',
};
const PRISMA = { group: ['**/generated/prisma/**', '@prisma/*'], message: 'only data talks to the database' };
const PERMISSIONS = { group: ['**/data/**', '**/identity/**'], message: "permissions read the context's types only" };
const NO_GRAPHQL = {
  group: ['graphql', 'graphql-*', './graphql-shield.js', './shield.js', '**/generated/graphql.js'],
  message: 'a rule is asked by every door: of reading or writing, in a context',
};
/** Of another domain: what it is, and its GraphQL parent. */
const othersFrom = (up) => ({
  group: [`${up}[a-z]*/*.js`, `!${up}*/index.js`, `!${up}*/parent.js`, `${up}[a-z]*/*/*.js`, `!${up}*/*/index.js`],
  message: "other domains import a domain's index or parent only",
});
const DEVELOPMENT = {
  group: ['**/development/**'],
  allowTypeImports: true,
  message: 'a production image has no development/: load-development alone may ask for it',
};
const NO_DOMAIN = { group: ['**/domains/**'], message: 'what is configured stands below what is done with it' };
const NO_HALL = { group: ['**/domains/**'], message: 'the hall executes operations of whatever domains there are' };
const NO_PG = { paths: [{ name: 'pg', message: 'only data talks to the database' }] };

/** Whoever keeps rows names their columns; in which argument of a caller's one came is said above. */
const ARGUMENTS = {
  group: ['**/errors.js'],
  importNames: ['badInput', 'conflict'],
  message: 'the store names columns (`taken`), the contract arguments',
};
/** Folders of src from the lowest to the highest. Each may import what stands before it, and nothing behind it. */
const ABOVE = {
  secrets: ['**/data/organization/**', '**/data/connection/**', '**/data/start/**'],
  data: ['**/identity/**', '**/jobs/**', '**/egress/**', '**/mail/**', 'graphql', '**/generated/graphql.js'],
  identity: ['**/mail/**', '**/context/**', '**/permissions/**', 'graphql', '**/generated/graphql.js'],
  context: ['**/permissions/rules.js', '**/permissions/shield.js', '**/resource/**'],
  resource: ['**/rights/**'],
  rights: ['**/domains/**', '**/config/**'],
  domains: ['**/development/**'],
  egress: ['**/gateway/**', 'fastify'],
};
const LAYERS = Object.keys(ABOVE);
const above = (layer) => LAYERS.slice(LAYERS.indexOf(layer)).flatMap((each) => ABOVE[each]);

/** What the files may not import, beside what their layer may not. A later fence takes the place of an earlier one. */
const fence = (files, layer, others = [], more = {}, development = [DEVELOPMENT]) => ({
  files,
  rules: {
    'no-restricted-imports': [
      'error',
      {
        ...more,
        patterns: [
          ...(layer ? [{ group: above(layer), message: `${layer} knows nothing above it` }] : []),
          ...development,
          ...others,
        ],
      },
    ],
  },
});

const NO_ENVIRONMENT = { files: ['src/domains/**'], rules: { 'no-restricted-globals': ['error', 'process'] } };

export default defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'oxc'],
  categories: { correctness: 'error' },
  ignorePatterns: ['dist', 'src/generated', 'test/generated', 'bench/node_modules'],
  rules: {
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/await-thenable': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/unbound-method': 'off',
    'typescript/no-misused-spread': 'off',
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'import/no-default-export': 'error',
    'import/no-unassigned-import': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'no-console': 'error',
    eqeqeq: ['error', 'always', { null: 'ignore' }],
  },
  overrides: [
    {
      files: [
        'codegen.ts',
        '.*.js',
        '.config/**',
        'bench/**/*.config.mjs',
        'docs/examples/*/vite.config.ts',
        'test/support/database-*.ts',
        'test/support/jest/{run*,teardown}.js',
      ],
      rules: { 'import/no-default-export': 'off' },
    },
    {
      files: [
        'src/main.ts',
        'src/commands/**',
        'src/development/*-command.ts',
        'bench/**',
        'docs/examples/executor/**',
        'test/mutants/**',
        '.config/{check,dev}.js',
      ],
      rules: { 'no-console': 'off' },
    },
    NO_ENVIRONMENT,
    fence(['src/*.ts', 'src/commands/**', 'src/jobs/**'], null, [NO_ID]),
    fence(['src/config/**'], null, [NO_DOMAIN, NO_ID]),
    fence(['src/egress/**'], 'egress', [NO_ID]),
    fence(['src/load-development.ts'], null, [NO_ID], {}, []),
    fence(['src/development/**'], null, [NOT_VERIFIED], {}, []),
    fence(['src/adopt/**'], null, [PRISMA, NO_ID], NO_PG),
    fence(['src/secrets/**'], 'secrets', [NO_ID]),
    fence(['src/data/**'], 'data', [ARGUMENTS, NO_ID]),
    // One makes two organizations of its own, to see that neither reads the other's; the other reads of all, one by one.
    fence(['src/data/start/{doctor,isolation-check}.ts'], 'data', [ARGUMENTS, NOT_VERIFIED]),
    fence(['src/identity/**'], 'identity', [ARGUMENTS, PRISMA, NOT_VERIFIED]),
    fence(['src/jobs/outside.ts'], null, [PRISMA, NOT_VERIFIED]),
    fence(['src/mail/**'], 'context', [PRISMA, NO_ID]),
    fence(['src/context/**'], 'context', [CONNECTION, PRISMA, NO_ID]),
    fence(['src/context/enter-organization.ts'], 'context', [
      CONNECTION,
      PRISMA,
      minting(['brandOrgId'], 'whoever enters is verified'),
    ]),
    fence(['src/permissions/**'], 'rights', [PERMISSIONS, NO_ID]),
    fence(['src/permissions/{rules,catalogue}.ts'], 'rights', [PERMISSIONS, NO_GRAPHQL, NO_ID]),
    fence(['src/resource/**'], 'resource', [CONNECTION, PRISMA, NO_ID], NO_PG),
    fence(['src/rights/**'], 'rights', [CONNECTION, PRISMA, NO_ID], NO_PG),
    fence(['src/domains/**'], 'domains', [CONNECTION, PRISMA, NO_ID], NO_PG),
    fence(['src/domains/*/*.ts'], 'domains', [CONNECTION, PRISMA, othersFrom('../'), NO_ID], NO_PG),
    fence(['src/domains/*/*/*.ts'], 'domains', [CONNECTION, PRISMA, othersFrom('../../'), NO_ID], NO_PG),
    fence(['src/domains/*/outside.ts'], 'context', [PRISMA, othersFrom('../'), NOT_VERIFIED], NO_PG),
    fence(['src/gateway/**'], null, [PRISMA, NO_ID]),
    fence(['src/gateway/graphql/**'], null, [PRISMA, NO_ID, NO_HALL]),
    fence(['src/gateway/graphql/schema.ts'], null, [PRISMA, NO_ID]),
  ],
});
