import type { DestinationStream } from 'pino';
import type { Config } from './config/config.js';
import type { Database } from './data/database.js';
import { isServed } from './context/hosts.js';
import { openDeployment } from './deployment.js';
import { domains } from './domains/index.js';
import { openDoors } from './gateway/doors.js';
import { createContract } from './gateway/graphql/schema.js';
import { createHttpServer, portOf } from './gateway/http/http.js';
import type { Metrics } from './gateway/http/metrics.js';
import { watchHosts } from './gateway/http/watch-hosts.js';
import { serveMetrics } from './gateway/http/serve-metrics.js';
import { watchDatabase, watchRuns } from './gateway/http/watch-metrics.js';
import { createDeadline } from './jobs/deadline.js';
import { createSchedule, type Schedule } from './jobs/schedule.js';
import { loadDevelopment } from './load-development.js';

export interface Server {
  /** Where it listens: `http://127.0.0.1:4000`. */
  readonly url: string;
  /** Finishes what is in flight, then closes; in bounded time, whatever hangs. @throws what failed, once all is closed */
  close(): Promise<void>;
}

/** How long closing waits for what is in flight; less than the process is given to end. */
const CLOSE_GRACE_MS = 10_000;

/** What a server is made of. Tests and benchmarks hand in other parts; the product has no switches for them. */
export interface ServerParts {
  readonly config: Config;
  readonly database: Database;
  readonly metrics: Metrics;
  readonly logTo?: DestinationStream;
  /** How often an operation is asked for until it is compiled. */
  readonly compileFrom?: number;
  readonly closeGraceMs?: number;
  /** What is done again and again beside the requests is handed to it. */
  readonly schedule?: Schedule;
}

/** Composes the domains, opens the doors and listens. */
export async function createServer(parts: ServerParts): Promise<Server> {
  const { config, database, metrics, logTo, compileFrom = 3, closeGraceMs = CLOSE_GRACE_MS } = parts;
  let isReady = () => database.checkReadiness();
  const app = await createHttpServer({ ...config, logTo, closeGraceMs, isReady: () => isReady(), metrics });
  watchDatabase(database, metrics, app.log, config.databasePoolSize);
  // The port of a development server may be known only once it listens.
  const publicUrl = () => config.publicUrl ?? `http://localhost:${portOf(app) ?? config.port}`;
  const development = (await (await loadDevelopment(config))?.openDevelopment(config, database)) ?? null;
  const contract = createContract();
  const { catalogue } = contract;
  const log = app.log;
  const deployment = await openDeployment({ ...parts, development, catalogue, domains, publicUrl, log });
  const closeDoors = await openDoors(app, { config, deployment, development, contract, metrics, compileFrom });
  await watchHosts(database, config, log);
  const schedule = parts.schedule ?? createSchedule(watchRuns(metrics, log));
  for (const { name, everyMs, run } of deployment.jobs) schedule.every(name, everyMs, (stop) => run(deployment, stop));
  const closeMetrics = await serveMetrics(metrics, config, (host) => isServed(host, deployment), log);
  await app.listen({ host: config.host, port: config.port });
  const port = portOf(app) ?? config.port;
  return {
    url: `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    close: async () => {
      // Load balancers first learn that no more should come; what has come is finished.
      isReady = () => Promise.reject(new Error('shutting down'));
      await new Promise((resolve) => setTimeout(resolve, config.shutdownDelayMs));
      const { end, tellFailures } = createDeadline(closeGraceMs, (what) => log.warn({ what }, 'closing: cut off'));
      // Connections that do not end are cut off by the server itself, which says whose they were.
      await Promise.all([end('scheduled work', () => schedule.close()), end('requests', () => app.close())]);
      await end('the doors', closeDoors);
      await end('work that is due', () => deployment.closeWork());
      await end('the metrics', closeMetrics);
      await end('the database', () => database.close());
      tellFailures();
    },
  };
}
