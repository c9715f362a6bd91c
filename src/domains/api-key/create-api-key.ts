import type { RequestContext } from '../../context/context.js';
import { KEY_ENVIRONMENT } from '../../context/deployment.js';
import { idPrefix } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict, notFound, OrgateError } from '../../errors.js';
import { nowInStay } from '../../identity/stay.js';
import { readActor } from '../../rights/actor.js';
import { assertNoEscalation, assignmentOfKey } from '../../rights/escalation.js';
import { makeApiKey } from '../../secrets/api-key-format.js';
import { getServiceAccount } from '../service-account/parent.js';
import { tellNoMore, tellWhenItEnds } from './tell-of-ending-key.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** How long a key lives that names no end, where the organization does not have them live shorter. */
const DEFAULT_DAYS = 90;

export interface MadeKey {
  readonly apiKey: Row<'ApiKey'>;
  /** The key itself; only its hash is stored. */
  readonly secret: string;
}

export interface NewKey {
  readonly name: string;
  readonly permissions: readonly string[];
  readonly expiresAt: Date | null;
  /** The viewer's own when null. */
  readonly serviceAccountId: string | null;
}

export interface Rotation {
  readonly id: string;
  readonly overlapMinutes: number;
  readonly expiresAt: Date | null;
}

/**
 * Makes a key of the viewer's own, or of a service account. Whoever is being removed leaves none behind.
 *
 * @throws NOT_FOUND without such a service account; BAD_USER_INPUT; ROLE_ESCALATION
 */
export const createApiKey = (key: NewKey, context: RequestContext): Promise<MadeKey> =>
  context.db.locked(async (db) => {
    const { apiKeyMaxDays } = db.held;
    const expiresAt = endOf(key.expiresAt, apiKeyMaxDays, db.now(), 'input.expiresAt');
    return insertKey(db, context, key.serviceAccountId ?? context.actorId, { ...key, expiresAt });
  });

/**
 * Makes a key in the place of another, which goes on working for as long as the change takes.
 *
 * @throws NOT_FOUND; FORBIDDEN for another person's key: whoever has the secret acts as them; CONFLICT when it was
 *   revoked; BAD_USER_INPUT; ROLE_ESCALATION
 */
export const rotateApiKey = (
  { id, overlapMinutes, ...rotation }: Rotation,
  context: RequestContext,
): Promise<MadeKey> =>
  context.db.locked(async (db) => {
    const { apiKeyMaxDays } = db.held;
    const expiresAt = endOf(rotation.expiresAt, apiKeyMaxDays, db.now(), 'expiresAt');
    const { name, permissions, ownerId, ...old } = await db.apiKey.get({ id });
    if (ownerId !== context.actorId && idPrefix(ownerId) !== 'svc') throw refuseOthers(context);
    if (old.revokedAt) throw conflict('This key was revoked.');
    const made = await insertKey(db, context, ownerId, { name, permissions, expiresAt });
    const end = Math.min(old.expiresAt.getTime(), db.now().getTime() + overlapMinutes * MINUTE_MS);
    await db.apiKey.update({ id }, { expiresAt: new Date(end) });
    await tellNoMore(db, id);
    return made;
  });

/** Another person's key: told to whoever sees everyone's, and like one that never was to the others. */
const refuseOthers = ({ organization }: RequestContext): OrgateError =>
  organization.permissions.has('api-key:manage')
    ? new OrgateError('FORBIDDEN', 'Only its owner can: whoever has the secret acts as them.')
    : notFound();

async function insertKey(
  db: LockedDb,
  context: RequestContext,
  ownerId: string,
  { name, permissions, expiresAt }: { name: string; permissions: readonly string[]; expiresAt: Date },
): Promise<MadeKey> {
  const { catalogue, actorId } = context;
  const isOwn = ownerId === actorId;
  const actor = await readActor(db, context, isOwn ? 'api-key:create' : 'service-account:manage');
  const owner = isOwn ? await db.membership.get({ userId: ownerId }) : await getServiceAccount(db, ownerId);
  const assignment = assignmentOfKey(catalogue, owner, permissions);
  if (assignment.granted.length < permissions.length) throw new OrgateError('ROLE_ESCALATION');
  assertNoEscalation(catalogue, actor, assignment);
  // Keys made before their owner joined are those of an earlier stay, and dead.
  const createdAt = nowInStay(db.now(), owner);
  const { id, key, hash, lastFour } = makeApiKey(context.use(KEY_ENVIRONMENT), createdAt.getTime());
  const apiKey = await db.apiKey.create({
    id,
    name,
    ownerId,
    permissions: [...permissions],
    secretHash: hash,
    lastFour,
    createdById: actorId,
    createdAt,
    expiresAt,
  });
  await tellWhenItEnds(db, apiKey);
  return { apiKey, secret: key };
}

function endOf(wanted: Date | null, maxDays: number, from: Date, argument: string): Date {
  const now = from.getTime();
  if (!wanted) return new Date(now + Math.min(DEFAULT_DAYS, maxDays) * DAY_MS);
  if (wanted.getTime() <= now) throw badInput(argument, 'Must be in the future.');
  if (wanted.getTime() > now + maxDays * DAY_MS) {
    throw badInput(argument, `At most ${maxDays} days from now in this organization.`);
  }
  return wanted;
}
