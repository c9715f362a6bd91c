import { createServer } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';
import type { Database } from '../../data/database.js';

/** What operators watch. Served on a port of its own, which no client of the gateway reaches. */
export interface Metrics {
  readonly requests: Counter<'operation' | 'code'>;
  readonly duration: Histogram<'operation'>;
  readonly statements: Counter<'role'>;
  readonly alarms: Counter<'stopped_by'>;
  readonly refused: Counter<'limit'>;
  readonly registry: Registry;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requests: new Counter({
      name: 'orgate_graphql_requests_total',
      help: 'GraphQL requests by type of operation and first error code',
      labelNames: ['operation', 'code'],
      registers: [registry],
    }),
    duration: new Histogram({
      name: 'orgate_graphql_request_duration_seconds',
      help: 'Time from the request to the end of the answer',
      labelNames: ['operation'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    }),
    alarms: new Counter({
      name: 'orgate_isolation_alarms_total',
      help: 'Statements that would have crossed organizations, by what stopped them; anything above 0 needs a look',
      labelNames: ['stopped_by'],
      registers: [registry],
    }),
    refused: new Counter({
      name: 'orgate_rate_limited_total',
      help: 'Refusals by the rate limit that was reached',
      labelNames: ['limit'],
      registers: [registry],
    }),
    statements: new Counter({
      name: 'orgate_sql_statements_total',
      help: 'SQL statements by the role they ran as',
      labelNames: ['role'],
      registers: [registry],
    }),
  };
}

/** Counts and logs what the database tells of itself. */
export function watchDatabase(
  database: Pick<Database, 'watchAlarms' | 'watchPoolSize'>,
  metrics: Metrics,
  log: FastifyBaseLogger,
  configured: number,
): void {
  database.watchAlarms(({ stoppedBy, orgId, statement }) => {
    metrics.alarms.inc({ stopped_by: stoppedBy });
    log.error({ stoppedBy, organization: orgId, statement }, 'isolation alarm');
  });
  database.watchPoolSize((size) =>
    size < configured
      ? log.warn({ size, configured }, 'the database has fewer connections to give')
      : log.info({ size }, 'the database has all connections to give again'),
  );
}

/** Serves the metrics at a port of their own. @returns what closes it */
export async function serveMetrics(metrics: Metrics, host: string, port: number): Promise<() => void> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    metrics.registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  server.on('error', () => undefined); // a connection that could not be accepted; the gateway's own server says so
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
