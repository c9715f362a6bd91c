/** The settings of a production server, but for the database, which tests open on their own. */
export const PRODUCTION = {
  NODE_ENV: 'production',
  ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
  PUBLIC_URL: 'https://orgate.example',
  DATABASE_URL: 'postgres://tests-open-their-own.example/db',
  MIGRATION_DATABASE_URL: 'postgres://tests-open-their-own.example/db',
  SHUTDOWN_DELAY_MS: '0',
  // The tests' own default switches GraphiQL off; empty is not set.
  GRAPHIQL: '',
} as const;
