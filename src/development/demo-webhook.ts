import type { Config } from '../config/config.js';
import { bySystem } from '../data/connection/act.js';
import type { Database } from '../data/database.js';
import { newId } from '../data/id.js';
import { createOrganizationSeal } from '../secrets/organization-seal.js';
import { openSeal } from '../secrets/seal.js';
import { findDemoOrganization } from './demo.js';
import { DEMO_SECRET } from './webhook-receiver.js';

const EVENTS = ['repository.created', 'agent.created', 'membership.created', 'run.failed', 'webhook.created'];

/** Gives acme of the demo a webhook, which leads to /dev/webhooks of this very server. */
export async function addDemoWebhook(
  { pool, organizationDb }: Database,
  { secretKeys, dataDirectory, publicUrl, port }: Config,
): Promise<void> {
  const orgId = await findDemoOrganization(pool, 'acme');
  const db = organizationDb(orgId, bySystem('demo'));
  const seal = createOrganizationSeal(await openSeal(secretKeys, dataDirectory));
  const id = newId('whk');
  const secret = await seal.seal(db, DEMO_SECRET, { orgId, table: 'webhook', id });
  const url = `${publicUrl ?? `http://localhost:${port}`}/dev/webhooks`;
  // What happened in its two months is told first: from the first place of the record on.
  const owner = await db.membership.find({ role: 'OWNER', status: 'ACTIVE' });
  const made = { createdById: owner?.userId ?? null, secretMadeAt: db.now() };
  await db.webhook.create({ id, url, events: EVENTS, secret, ...made, handledTo: 0n });
}
