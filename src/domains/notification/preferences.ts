import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import { NotificationKind, NotificationWay } from '../../generated/enums.js';
import { parseInput } from '../../resource/input.js';
import { assertServed } from '../../permissions/organization-status.js';
import { assertStillAsking } from '../../rights/actor.js';
import type { NotificationPreferenceParent } from './parent.js';

const KINDS: readonly NotificationKind[] = Object.values(NotificationKind);
const WAYS: readonly NotificationWay[] = Object.values(NotificationWay);

/** Of what somebody is told by mail, whatever they chose: whoever took over their session could choose, too. */
const ALWAYS_MAILED: ReadonlySet<NotificationKind> = new Set(['VENDOR_ACCESS']);

type Chosen = Pick<Row<'NotificationPreference'>, 'isListed' | 'isMailed'>;

/** @param chosen what the member chose; undefined of whoever never did */
export function isWanted(kind: NotificationKind, way: NotificationWay, chosen: Chosen | undefined): boolean {
  if (chosen === undefined || (way === 'MAIL' && ALWAYS_MAILED.has(kind))) return true;
  return way === 'MAIL' ? chosen.isMailed : chosen.isListed;
}

const preferencesInput = z.object({
  preferences: z
    .array(z.object({ kind: z.enum(NotificationKind), ways: z.array(z.enum(NotificationWay)) }))
    .max(KINDS.length, 'Each kind at most once.'),
});

/** What the viewer is told of in the current organization, all kinds. */
export async function readPreferences({
  db,
  actorId: userId,
}: RequestContext): Promise<NotificationPreferenceParent[]> {
  const rows = await db.notificationPreference.list({
    where: { userId },
    orderBy: { kind: 'asc' },
    take: KINDS.length,
  });
  const chosen = new Map(rows.map((row) => [row.kind, row]));
  return KINDS.map((kind) => ({ kind, ways: WAYS.filter((way) => isWanted(kind, way, chosen.get(kind))) }));
}

/** @throws BAD_USER_INPUT; NOT_FOUND for who is no member any more */
export async function setPreferences(input: unknown, context: RequestContext): Promise<NotificationPreferenceParent[]> {
  const { preferences } = parseInput(preferencesInput, input);
  const kinds = new Set(preferences.map(({ kind }) => kind));
  if (kinds.size < preferences.length) throw badInput('input.preferences', 'Each kind at most once.');
  for (const [index, { kind, ways }] of preferences.entries()) {
    if (ALWAYS_MAILED.has(kind) && !ways.includes('MAIL')) {
      throw badInput(`input.preferences.${index}.ways`, `${kind} is always told by mail.`);
    }
  }
  const userId = context.actorId;
  await context.db.locked(async (db) => {
    await assertStillAsking(db, context);
    assertServed(db.held);
    await db.membership.get({ userId, status: 'ACTIVE' });
    const updatedAt = db.now();
    for (const { kind, ways } of preferences) {
      const chosen = { isListed: ways.includes('LIST'), isMailed: ways.includes('MAIL'), updatedAt };
      const changed = await db.notificationPreference.updateMany({ userId, kind }, chosen);
      if (changed === 0) await db.notificationPreference.create({ userId, kind, ...chosen });
    }
  });
  return readPreferences(context);
}
