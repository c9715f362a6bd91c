import { PROJECT } from '../settings.mjs';
import { PlainPool } from './plain-pool.mjs';

// The same gateway, handed a data layer without walls: the tables' owner signs in, so that no policy applies; no role, no
// organization and no time limit goes along with a statement, nothing checks what is asked of Prisma, no tripwire reads
// the statements. Everything else is the product's: HTTP, tokens, live membership, shield, limits, loaders, metrics, log.

const { readConfig } = await import(`${PROJECT}dist/config.js`);
const { createServer } = await import(`${PROJECT}dist/server.js`);
const { openOutsideDoors } = await import(`${PROJECT}dist/data/database.js`);
const { readLatestPerParent } = await import(`${PROJECT}dist/data/latest-per-parent.js`);
const { readRows } = await import(`${PROJECT}dist/data/read-rows.js`);
const { readModels } = await import(`${PROJECT}dist/data/models.js`);
const { organizationDbOver } = await import(`${PROJECT}dist/data/organization-db.js`);
const { createPrisma } = await import(`${PROJECT}dist/data/scope.js`);
const { createMetrics } = await import(`${PROJECT}dist/gateway/metrics.js`);

const config = readConfig();
const metrics = createMetrics();
const pool = new PlainPool({
  url: process.env.BENCH_OWNER_URL,
  poolSize: config.databasePoolSize,
  statementTimeoutMs: config.statementTimeoutMs,
  onStatement: () => metrics.statements.inc({ role: 'owner' }),
});
const prisma = createPrisma(pool);
const models = readModels(prisma);

/** Prisma as anyone would use it for several organizations: one more field in `where`, and nothing sees to it. */
function plainClient(orgId) {
  const client = { $transaction: () => Promise.reject(new Error('no measured operation has a transaction')) };
  for (const model of models.values()) {
    const name = model.name.charAt(0).toLowerCase() + model.name.slice(1);
    const delegate = prisma[name];
    const own = (fields) => ({ ...fields, [model.orgField]: orgId });
    client[name] = {
      create: ({ data }) => delegate.create({ data: own(data) }),
    };
  }
  return client;
}

const clients = new Map();
function clientOf(orgId) {
  let client = clients.get(orgId);
  if (!client) clients.set(orgId, (client = plainClient(orgId)));
  return client;
}

const database = {
  ...openOutsideDoors(pool),
  organizationDb: (orgId) =>
    organizationDbOver({
      client: () => clientOf(orgId),
      models,
      inFrame: (work) => work(),
      reads: {
        rows: (model, query) => readRows(pool, model, { ...query, where: { ...query.where, [model.orgField]: orgId } }),
        latest: (model, parent, ids, page) => readLatestPerParent(pool, model, orgId, parent, ids, page),
      },
    }),
  pool,
  watchAlarms: () => undefined,
  close: async () => {
    await prisma.$disconnect();
    await pool.end();
  },
};

const server = await createServer({ config, database, metrics });
process.once('SIGTERM', () => server.close().then(() => process.exit(0)));
