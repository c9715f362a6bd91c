import { PROJECT } from '../settings.mjs';
import { PlainPool } from './plain-pool.mjs';
import { createPlainTables } from './plain-tables.mjs';

// The same gateway, handed a data layer without walls: the tables' owner signs in, so that no policy applies; no role,
// no organization and no time limit goes along with a statement; Prisma's client is used as it comes. Everything else is
// the product's: HTTP, tokens, live membership, shield, limits, loaders, statements, metrics, log.

const { readConfig } = await import(`${PROJECT}dist/config.js`);
const { createServer } = await import(`${PROJECT}dist/server.js`);
const { createMetrics } = await import(`${PROJECT}dist/gateway/metrics.js`);
const { createPrisma } = await import(`${PROJECT}dist/data/scope.js`);
const { readModels } = await import(`${PROJECT}dist/data/models.js`);

const config = readConfig();
const metrics = createMetrics();
const pool = new PlainPool({
  url: process.env.BENCH_OWNER_URL,
  poolSize: config.databasePoolSize,
  statementTimeoutMs: config.statementTimeoutMs,
  onStatement: () => metrics.statements.inc({ role: 'owner' }),
});
const prisma = createPrisma(pool);
const parts = { prisma, pool, models: readModels(prisma) };

const reviveMembership = (found) => ({
  ...found,
  organization: { ...found.organization, createdAt: new Date(found.organization.createdAt) },
  createdAt: new Date(found.createdAt),
  joinedAt: found.joinedAt && new Date(found.joinedAt),
});

/** The one read of the directory that every request makes, with the product's own SQL. */
const directory = {
  async findPerson({ issuer, subject }, named) {
    const { rows } = await pool.query({ text: process.env.BENCH_FIND_PERSON, values: [issuer, subject, named] });
    if (!rows[0]) return null;
    const { memberships, ...person } = rows[0];
    return { person, memberships: memberships.map(reviveMembership) };
  },
  async ping() {
    await pool.query({ text: 'select 1', values: [] });
  },
};

const database = {
  directory,
  organizationDb: (orgId) => createPlainTables(parts, orgId),
  pool,
  close: async () => {
    await prisma.$disconnect();
    await pool.end();
  },
};

const server = await createServer({ config, database, metrics });
process.once('SIGTERM', () => server.close().then(() => process.exit(0)));
