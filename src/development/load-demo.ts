import type { Config } from '../config/config.js';
import type { Database } from '../data/database.js';
import { assertHealthy, examineDatabase } from '../data/start/doctor.js';
import { addDemoWebhook } from './demo-webhook.js';
import { addDemoWorld } from './demo.js';

/**
 * Loads the demo: its world, and a webhook that leads to this server. What comes of all that is examined, as `npm run doctor`
 * would.
 *
 * @returns false when an organization `acme` is there already, and nothing was done
 * @throws when the doctor finds something
 */
export async function loadDemo(database: Database, config: Config): Promise<boolean> {
  if (!(await addDemoWorld(database))) return false;
  await addDemoWebhook(database, config);
  assertHealthy(await examineDatabase(database.pool, false));
  return true;
}
