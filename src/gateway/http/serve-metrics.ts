import { createServer } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import type { Config } from '../../config/config.js';
import { codeOf } from '../../thrown.js';
import type { Metrics } from './metrics.js';

/** Whether a host leads to an organization, or is the gateway's own. */
export type IsServed = (host: string) => Promise<boolean>;

/** Proxies ask for each name that a stranger sends them: more at once than this are to ask again. */
const HOSTS_AT_ONCE = 8;

/**
 * Serves the metrics at a port of their own, and there tells a proxy that issues certificates on demand which hosts it may issue one
 * for: `GET /hosts/allowed?domain=…` is 200 or 404. Two servers on the machine of whoever develops are no mistake; in production
 * nobody would watch the second.
 *
 * @returns what closes it
 */
export async function serveMetrics(
  metrics: Metrics,
  { metrics: at, production }: Config,
  isServed: IsServed,
  log: FastifyBaseLogger,
): Promise<() => void> {
  const nothing = () => undefined;
  if (!at) return nothing;
  try {
    return await listen(metrics, isServed, at.host, at.port);
  } catch (error) {
    if (production || codeOf(error) !== 'EADDRINUSE') throw error;
    log.warn({ port: at.port }, 'METRICS_PORT is taken, perhaps by another orgate: this one serves no metrics');
    return nothing;
  }
}

async function listen(metrics: Metrics, isServed: IsServed, host: string, port: number): Promise<() => void> {
  let asking = 0;
  const server = createServer((request, response) => {
    // As text: of what is no address, such as `//`, reading one would throw, and nobody would catch it.
    const [path, query] = (request.url ?? '/').split('?', 2);
    if (path === '/hosts/allowed' && request.method === 'GET') {
      const status = (code: number) => void response.writeHead(code).end();
      if (asking >= HOSTS_AT_ONCE) return status(503);
      asking += 1;
      return void isServed(new URLSearchParams(query).get('domain') ?? '')
        .then(
          (isOne) => status(isOne ? 200 : 404),
          () => status(503),
        )
        .finally(() => (asking -= 1));
    }
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
