import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';

/** A provider that does not answer, and a run that was told to call another. */
export async function give(db: OrganizationDb): Promise<void> {
  const now = db.now();
  await db.credential.create({
    id: newId('crd'),
    kind: 'LLM_PROVIDER',
    name: 'Given models',
    provider: 'given',
    secret: 'x',
    rotatedAt: now,
  });
  const retryAt = new Date(now.getTime() + 60_000);
  await db.providerHealth.create({ provider: 'given', healthy: false, detail: 'overloaded', reportedAt: now, retryAt });
  const [run] = await db.run.list({ orderBy: { id: 'asc' }, take: 1 });
  if (!run) return;
  await db.providerResolution.create({
    runId: run.id,
    number: 1,
    attempt: 0,
    kind: 'LLM',
    name: 'other',
    reason: 'FALLBACK',
    passedOver: [{ provider: 'given', reason: 'UNHEALTHY' }],
    at: now,
  });
}
