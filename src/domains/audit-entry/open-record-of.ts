import type { RequestContext } from '../../context/context.js';
import type { RequestDb } from '../../data/organization/organization-db.js';
import { notFound } from '../../errors.js';
import { openEntryWriter, openNamedRecord } from './outside.js';
import { readHead } from './read-chain.js';
import type { record } from './record.js';

const VERIFIED: keyof typeof record.actions = 'audit.verified';

/**
 * The record of any organization, one that was deleted too, whose chain a SYSTEM_ADMIN checks; an organization that is there is
 * told of that once a day. Call it for a SYSTEM_ADMIN only.
 *
 * @throws NOT_FOUND where there never was such an organization
 */
export async function openRecordOf(organizationId: string, context: RequestContext): Promise<RequestDb> {
  const { outside, deployment, act, actElsewhere } = context;
  const orgId = outside(openNamedRecord)(organizationId);
  const db = orgId && deployment.organizationDb(orgId, act);
  if (!db || !(await readHead(db))) throw notFound();
  const told = { act: actElsewhere, action: VERIFIED, outcome: 'DONE', onceIn: '1 day' } as const;
  await outside(openEntryWriter)(orgId, [{ ...told, targetType: 'audit' }]);
  return db;
}
