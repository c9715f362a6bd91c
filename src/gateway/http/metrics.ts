import type { FastifyReply, FastifyRequest } from 'fastify';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DueCount } from '../../jobs/outside.js';
import type { JobRun } from '../../jobs/schedule.js';

/** What operators watch; docs/operations.md says what each means. Served on a port that no client of the gateway reaches. */
export interface Metrics {
  readonly requests: Counter<'operation' | 'code'>;
  readonly duration: Histogram<'operation'>;
  readonly scimRequests: Counter<'method' | 'route' | 'status'>;
  readonly scimDuration: Histogram<'method'>;
  readonly signIns: Counter<'kind' | 'outcome'>;
  readonly statements: Counter<'role'>;
  readonly alarms: Counter<'stopped_by'>;
  readonly refused: Counter<'limit'>;
  /** Of those that had to wait, until they had what they waited for or did not get it. */
  readonly waits: Histogram<'resource'>;
  readonly vainWaits: Counter<'resource'>;
  /** How many wait, asked for when somebody looks. */
  readonly waiting: Map<Resource, () => number>;
  readonly dueRuns: Counter<'kind' | 'outcome'>;
  readonly dueWork: Gauge<'kind' | 'state'>;
  readonly dueOldest: Gauge<'kind'>;
  readonly jobs: Counter<'job' | 'outcome'>;
  readonly jobDuration: Histogram<'job'>;
  readonly jobSuccess: Gauge<'job'>;
  readonly lookups: Counter<'cache' | 'found'>;
  readonly redisUp: Gauge<'use'>;
  readonly registry: Registry;
}

/** What is waited for: the one thread that works, and a connection to the database. */
export type Resource = 'thread' | 'connection';

/** Work that lookups save: reading a document, compiling an operation, verifying a token, asking a provider what it is. */
export type CacheName = 'documents' | 'operations' | 'tokens' | 'providers';

const QUICK = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SLOW = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const waiting: Metrics['waiting'] = new Map();
  new Gauge({
    name: 'orgate_waiting',
    help: 'How many wait for the thread or a connection',
    labelNames: ['resource'],
    registers,
    collect() {
      for (const [resource, count] of waiting) this.set({ resource }, count());
    },
  });
  return {
    registry,
    waiting,
    requests: new Counter({
      name: 'orgate_graphql_requests_total',
      help: 'GraphQL requests by type of operation and first error code',
      labelNames: ['operation', 'code'],
      registers,
    }),
    duration: new Histogram({
      name: 'orgate_graphql_request_duration_seconds',
      help: 'Time from the request to the end of the answer',
      labelNames: ['operation'],
      buckets: QUICK,
      registers,
    }),
    scimRequests: new Counter({
      name: 'orgate_scim_requests_total',
      help: 'SCIM requests by method, route and status',
      labelNames: ['method', 'route', 'status'],
      registers,
    }),
    scimDuration: new Histogram({
      name: 'orgate_scim_request_duration_seconds',
      help: 'Time from the request to the end of the answer',
      labelNames: ['method'],
      buckets: SLOW,
      registers,
    }),
    signIns: new Counter({
      name: 'orgate_sign_ins_total',
      help: 'Ends of signing in by kind of provider and outcome',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    alarms: new Counter({
      name: 'orgate_isolation_alarms_total',
      help: 'Statements that would have crossed organizations, by what stopped them; anything above 0 needs a look',
      labelNames: ['stopped_by'],
      registers,
    }),
    refused: new Counter({
      name: 'orgate_rate_limited_total',
      help: 'Refusals by the rate limit that was reached',
      labelNames: ['limit'],
      registers,
    }),
    statements: new Counter({
      name: 'orgate_sql_statements_total',
      help: 'SQL statements by the role they ran as',
      labelNames: ['role'],
      registers,
    }),
    waits: new Histogram({
      name: 'orgate_wait_duration_seconds',
      help: 'Waits for the thread or a connection, of those that had to wait',
      labelNames: ['resource'],
      buckets: QUICK,
      registers,
    }),
    vainWaits: new Counter({
      name: 'orgate_waits_in_vain_total',
      help: 'Waits that ended without what was waited for',
      labelNames: ['resource'],
      registers,
    }),
    dueRuns: new Counter({
      name: 'orgate_due_work_runs_total',
      help: 'Attempts to do what is due by outcome',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    dueWork: new Gauge({
      name: 'orgate_due_work',
      help: 'Work that is due, running, failed and waiting to be tried again, or given up since nobody can read it',
      labelNames: ['kind', 'state'],
      registers,
    }),
    dueOldest: new Gauge({
      name: 'orgate_due_work_oldest_seconds',
      help: 'How long the first of what is due has been',
      labelNames: ['kind'],
      registers,
    }),
    jobs: new Counter({
      name: 'orgate_job_runs_total',
      help: 'Runs of scheduled work by outcome',
      labelNames: ['job', 'outcome'],
      registers,
    }),
    jobDuration: new Histogram({
      name: 'orgate_job_duration_seconds',
      help: 'How long runs of scheduled work took',
      labelNames: ['job'],
      buckets: SLOW,
      registers,
    }),
    jobSuccess: new Gauge({
      name: 'orgate_job_last_success_timestamp_seconds',
      help: 'When scheduled work last succeeded',
      labelNames: ['job'],
      registers,
    }),
    lookups: new Counter({
      name: 'orgate_cache_lookups_total',
      help: 'Lookups in what is remembered, by whether it was found',
      labelNames: ['cache', 'found'],
      registers,
    }),
    redisUp: new Gauge({
      name: 'orgate_redis_up',
      help: 'Whether Redis answers, where one is configured',
      labelNames: ['use'],
      registers,
    }),
  };
}

/** Counts a SCIM request that is over. */
export function countScimRequest(metrics: Metrics, request: FastifyRequest, reply: FastifyReply): void {
  const { method, routeOptions } = request;
  metrics.scimRequests.inc({ method, route: routeOptions.url ?? 'none', status: reply.statusCode });
  metrics.scimDuration.observe({ method }, reply.elapsedTime / 1000);
}

/** Counts an end of signing in, by the kind of provider that the browser came back from. */
export function countSignIn({ signIns }: Metrics, { routeOptions }: FastifyRequest, outcome: string): void {
  const [, kind = 'none'] = /^\/auth\/(oidc|saml)\//.exec(routeOptions.url ?? '') ?? [];
  signIns.inc({ kind, outcome });
}

/** Counts a wait that is over. */
export const countWait =
  ({ waits, vainWaits }: Metrics, resource: Resource) =>
  (ms: number, isInVain: boolean): void => {
    waits.observe({ resource }, ms / 1000);
    if (isInVain) vainWaits.inc({ resource });
  };

/** Counts whether something was found in what is remembered. */
export function countLookups({ lookups }: Metrics, cache: CacheName): (isFound: boolean) => void {
  const [found, missing] = [lookups.labels(cache, 'true'), lookups.labels(cache, 'false')];
  return (isFound) => (isFound ? found : missing).inc();
}

/** Says how much work there is; of a kind that is not told there is none. */
export function countDueWork(
  { dueWork, dueOldest }: Pick<Metrics, 'dueWork' | 'dueOldest'>,
  counts: readonly DueCount[],
): void {
  dueWork.reset();
  dueOldest.reset();
  for (const { kind, state, count, oldestSeconds } of counts) {
    dueWork.set({ kind, state }, count);
    if (state === 'due') dueOldest.set({ kind }, oldestSeconds);
  }
}

/** Counts scheduled work that is over. */
export function countRun({ jobs, jobDuration, jobSuccess }: Metrics, { name: job, ms, error }: JobRun): void {
  jobs.inc({ job, outcome: error === undefined ? 'succeeded' : 'failed' });
  jobDuration.observe({ job }, ms / 1000);
  if (error === undefined) jobSuccess.set({ job }, Date.now() / 1000);
}
