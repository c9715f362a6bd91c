import { PROJECT } from '../settings.mjs';
import { PlainPool } from './plain-pool.mjs';

// The same gateway, handed a data layer without walls: the tables' owner signs in, so that no policy applies; no role, no
// organization and no time limit goes along with a statement, nothing checks what is asked for, no tripwire reads the
// statements. Everything else is the product's: HTTP, tokens, live membership, shield, limits, loaders, metrics, log.

const { readConfig } = await import(`${PROJECT}dist/config/config.js`);
const { createServer } = await import(`${PROJECT}dist/server.js`);
const { Clock } = await import(`${PROJECT}dist/data/connection/clock.js`);
const { createOutside } = await import(`${PROJECT}dist/data/connection/outside.js`);
const { readLatestPerParent } = await import(`${PROJECT}dist/data/organization/latest-per-parent.js`);
const { insertRow } = await import(`${PROJECT}dist/data/organization/insert-row.js`);
const { countRows, readRows } = await import(`${PROJECT}dist/data/organization/read-rows.js`);
const { readModels } = await import(`${PROJECT}dist/data/organization/models.js`);
const { organizationDbOver } = await import(`${PROJECT}dist/data/organization/organization-db.js`);
const { createPrisma } = await import(`${PROJECT}dist/data/organization/scope.js`);
const { createMetrics } = await import(`${PROJECT}dist/gateway/http/metrics.js`);

const config = readConfig();
const metrics = createMetrics();
const counted = metrics.statements.labels('owner');
const pool = new PlainPool({
  url: process.env.BENCH_OWNER_URL,
  poolSize: config.databasePoolSize,
  statementTimeoutMs: config.statementTimeoutMs,
  onStatement: () => counted.inc(),
});
const models = readModels(createPrisma(pool));
const clock = new Clock();
const isNotMeasured = () => {
  throw new Error('no measured operation has a transaction, changes a row or counts');
};

const database = {
  outside: createOutside(pool),
  organizationDb: (orgId) =>
    organizationDbOver({
      client: isNotMeasured,
      models,
      now: () => clock.now(),
      inFrame: (work) => work(),
      statements: {
        rows: (model, query) => readRows(pool, model, { ...query, where: { ...query.where, [model.orgField]: orgId } }),
        count: (model, query) =>
          countRows(pool, model, { ...query, where: { ...query.where, [model.orgField]: orgId } }),
        latest: (model, parent, ids, page) => readLatestPerParent(pool, model, orgId, parent, ids, page),
        insert: (model, data) => insertRow(pool, model, { ...data, [model.orgField]: orgId }),
        sets: isNotMeasured,
      },
      setsInTransaction: isNotMeasured,
    }),
  pool: Object.assign(pool, { clock, turns: { waiting: 0 } }),
  keepTime: async () => undefined,
  watchAlarms: () => undefined,
  watchPoolSize: () => undefined,
  watchWaits: () => undefined,
  checkReadiness: () => pool.query({ text: 'select' }),
  close: async () => {
    await pool.end();
  },
};

const server = await createServer({ config, database, metrics });
process.once('SIGTERM', () => server.close().then(() => process.exit(0)));
