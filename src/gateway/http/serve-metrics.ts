import { createServer } from 'node:http';
import type { FastifyBaseLogger } from 'fastify';
import type { Config } from '../../config/config.js';
import { codeOf } from '../../thrown.js';
import type { Metrics } from './metrics.js';

/**
 * Serves the metrics at a port of their own. Two servers on the machine of whoever develops are no mistake; in production
 * nobody would watch the second.
 *
 * @returns what closes it
 */
export async function serveMetrics(
  metrics: Metrics,
  { metrics: at, production }: Config,
  log: FastifyBaseLogger,
): Promise<() => void> {
  const nothing = () => undefined;
  if (!at) return nothing;
  try {
    return await listen(metrics, at.host, at.port);
  } catch (error) {
    if (production || codeOf(error) !== 'EADDRINUSE') throw error;
    log.warn({ port: at.port }, 'METRICS_PORT is taken, perhaps by another orgate: this one serves no metrics');
    return nothing;
  }
}

async function listen(metrics: Metrics, host: string, port: number): Promise<() => void> {
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
