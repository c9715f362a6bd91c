import type { RequestContext } from '../context/context.js';
import type { LockedDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { OrgateError } from '../errors.js';
import type { Permission } from '../permissions/catalogue.js';
import { effective, type Standing, standingOfKey } from './escalation.js';

/** The actor as they are now. */
export async function readActor(
  db: LockedDb,
  context: RequestContext,
  permission: Permission,
): Promise<Row<'Membership'>> {
  const member = await db.membership.find({ userId: context.actorId, status: 'ACTIVE' });
  const actor = member && (await asAsking(member, db, context));
  if (!actor || !effective(context.catalogue, actor).has(permission)) {
    throw new OrgateError('FORBIDDEN', undefined, { requiredPermission: permission });
  }
  return { ...member, ...actor };
}

/** Who asks with a key is no more than that key, and nobody once it was revoked. */
async function asAsking(member: Standing, db: LockedDb, context: RequestContext): Promise<Standing | null> {
  const { apiKey } = context.viewer ?? {};
  if (!apiKey) return member;
  const key = await db.apiKey.find({ id: apiKey.id, revokedAt: null });
  return key && standingOfKey(context.catalogue, member, key.permissions);
}
