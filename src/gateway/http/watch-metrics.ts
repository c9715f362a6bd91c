import type { FastifyBaseLogger } from 'fastify';
import { Gauge } from 'prom-client';
import type { Database } from '../../data/database.js';
import type { EndedRun } from '../../jobs/due-work.js';
import type { JobRun } from '../../jobs/schedule.js';
import { countRun, countWait, type Metrics } from './metrics.js';

/** Counts and logs what the database tells of itself. */
export function watchDatabase(
  database: Pick<Database, 'watchAlarms' | 'watchPoolSize' | 'watchWaits' | 'pool'>,
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
  database.watchWaits(countWait(metrics, 'connection'));
  const { pool } = database;
  const registers = [metrics.registry];
  new Gauge({
    name: 'orgate_database_connections',
    help: 'Connections to the database by what they do',
    labelNames: ['state'],
    registers,
    collect() {
      const { totalCount, idleCount } = pool;
      this.set({ state: 'idle' }, idleCount);
      this.set({ state: 'busy' }, totalCount - idleCount);
    },
  });
  new Gauge({
    name: 'orgate_database_connections_available',
    help: 'Connections that the database has to give, of those configured',
    registers,
    collect() {
      this.set(pool.options.max);
    },
  });
  new Gauge({
    name: 'orgate_database_connections_configured',
    help: 'DATABASE_POOL_SIZE',
    registers,
    collect() {
      this.set(configured);
    },
  });
  metrics.waiting.set('connection', () => pool.turns.waiting);
}

/** How often it is said again of work that goes on failing: some is tried twice a second, for as long as a database is away. */
const TELL_AGAIN_MS = 60_000;

/** Counts scheduled work, and logs what failed: at once, then once a minute for as long as it fails. */
export function watchRuns(metrics: Metrics, log: Pick<FastifyBaseLogger, 'error'>): (run: JobRun) => void {
  const failing = new Map<string, { times: number; toldAt: number }>();
  return (run) => {
    countRun(metrics, run);
    const { name: job, error: err } = run;
    if (err === undefined) return void failing.delete(job);
    const { times, toldAt } = failing.get(job) ?? { times: 0, toldAt: -Infinity };
    const isTold = performance.now() - toldAt >= TELL_AGAIN_MS;
    failing.set(job, isTold ? { times: 0, toldAt: performance.now() } : { times: times + 1, toldAt });
    if (isTold) log.error({ err, job, ...(times > 0 && { untold: times }) }, 'scheduled work failed');
  };
}

/** Counts attempts to do what is due, and logs what failed. */
export const watchDueWork =
  ({ dueRuns }: Pick<Metrics, 'dueRuns'>, log: Pick<FastifyBaseLogger, 'warn'>) =>
  ({ kind, outcome, error, work: { orgId, id } }: EndedRun): void => {
    dueRuns.inc({ kind, outcome });
    if (outcome === 'failed' || outcome === 'given_up') {
      log.warn({ err: error, kind, organization: orgId, work: id, outcome }, 'work that is due failed');
    }
  };
