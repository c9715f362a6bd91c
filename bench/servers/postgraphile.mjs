import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';

// PostGraphile 5 as its documentation has it for production: the Amber preset, GRAPHILE_ENV=production, no watching, no
// GraphiQL, no explain. The same token is verified, and its claim becomes app.org_id; the same policies do the rest.

const { PORT, DATABASE_URL, DATABASE_POOL_SIZE, BENCH_ISSUER } = process.env;
const { issuer, jwksUri, audience } = JSON.parse(BENCH_ISSUER);
const keys = createRemoteJWKSet(new URL(jwksUri));

/** Whoever creates something is told to the record, as PostgreSQL demands. */
const ACT = JSON.stringify({ kind: 'SYSTEM', id: null, name: 'PostGraphile' });

/** Verified tokens are remembered, as orgate remembers them, so that signatures decide nothing. */
const verified = new Map();

async function organizationOf(authorization) {
  const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
  if (!token) throw new Error('no token');
  const known = verified.get(token);
  if (known && Date.now() < known.until) return known.orgId;
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    algorithms: ['ES256'],
    requiredClaims: ['exp'],
  });
  if (verified.size >= 10_000) verified.delete(verified.keys().next().value);
  verified.set(token, { orgId: payload.org, until: Math.min(Date.now() + 300_000, payload.exp * 1000) });
  return payload.org;
}

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: DATABASE_URL,
      schemas: ['public'],
      poolConfig: { max: Number(DATABASE_POOL_SIZE), application_name: 'postgraphile' },
      pgSettingsForIntrospection: { role: 'orgate_app' },
      pubsub: false,
    }),
  ],
  grafserv: { watch: false, graphiql: false },
  grafast: {
    explain: false,
    context: async ({ node }) => ({
      pgSettings: {
        role: 'orgate_app',
        'app.org_id': await organizationOf(node.req.headers.authorization),
        'app.act': ACT,
      },
    }),
  },
};

const instance = postgraphile(preset);
const server = createServer();
await instance.createServ(grafserv).addTo(server);
server.listen(Number(PORT), '127.0.0.1');
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void instance.release().then(() => process.exit(0));
});
