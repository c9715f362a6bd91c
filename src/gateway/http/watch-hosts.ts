import type { FastifyBaseLogger } from 'fastify';
import type { Config } from '../../config/config.js';
import type { Database } from '../../data/database.js';
import { inspectHosts } from '../../data/start/doctor.js';

/** Alerts whoever runs the deployment of every host that is refused because it would lead to more than one place. */
export async function watchHosts(
  { pool }: Pick<Database, 'pool'>,
  config: Config,
  log: FastifyBaseLogger,
): Promise<void> {
  for (const { check, ok, detail } of await inspectHosts(pool, config)) {
    if (!ok) log.error({ stream: 'routing', alert: true, check, hosts: detail }, 'hosts are refused');
  }
}
