import type { RequestContext } from '../../../context/context.js';
import type { LockedDb } from '../../../data/organization/organization-db.js';
import { conflict, OrgateError } from '../../../errors.js';
import { openMembersOutside } from '../../../identity/set-only.js';
import type { Actor } from '../../../rights/actor.js';
import { holdToSupportAccess } from '../../../rights/support-access.js';
import { OWNERS_FEATURES } from '../../../permissions/features.js';
import { effective } from '../../../rights/escalation.js';
import { assertApprovalFits } from './approval.js';
import {
  changedPaths,
  changesOf,
  columnsOf,
  readSettings,
  type SettingChanges,
  type WantedSettings,
} from './document.js';
import { type SettingPath, SETTINGS } from './schema.js';

/** How many versions are kept: as far as anybody goes back, and few enough to be read at once where each changed everything. */
export const KEPT_VERSIONS = 200;

/** Where it stands what a client asked for. */
export interface Arguments {
  readonly ofSetting: (path: SettingPath) => string;
  readonly expectedVersion: string;
}

/**
 * What would become of settings: all that speaks against a change is asked here, and nothing is changed.
 *
 * @param at where the arguments stand
 * @throws CONFLICT on `expectedVersion` when another was first; FORBIDDEN on the path of a setting that is for others to change
 */
export async function checkSettings(
  db: LockedDb,
  context: RequestContext,
  actor: Actor,
  { settings, expectedVersion }: WantedSettings,
  at: Arguments,
): Promise<SettingChanges> {
  const { held } = db;
  if (expectedVersion !== null && expectedVersion !== held.settingsVersion) {
    throw conflict('The settings were changed in the meantime.', at.expectedVersion);
  }
  const changes = changesOf(readSettings(held), settings);
  assertMayChange(context, actor, changes, at);
  if (changedPaths(changes).length === 0) return changes;
  if (changes['security.membership']?.[1] === 'SET_ONLY') await assertNobodyOutside(db, context, at);
  await assertApprovalFits(db, context, changes, at.ofSetting);
  return changes;
}

/**
 * Settings as they are to be, as columns of the organization's row, which the caller updates; what is different makes a new
 * version. Every door by which settings change leads through here, under the organization's lock, so that versions have no gap
 * and nobody overwrites what they have not seen.
 *
 * @throws as `checkSettings`
 */
export async function changeSettings(
  db: LockedDb,
  context: RequestContext,
  actor: Actor,
  wanted: WantedSettings,
  at: Arguments,
) {
  const changes = await checkSettings(db, context, actor, wanted, at);
  if (changedPaths(changes).length === 0) return {};
  const { held } = db;
  const version = held.settingsVersion + 1;
  await db.settingsVersion.create({ version, at: db.now(), ...(await madeBy(db, context, actor)), changes });
  const [, access] = changes['support.access'] ?? [];
  if (access) await holdToSupportAccess(db, access);
  if (version > KEPT_VERSIONS) await db.settingsVersion.delete({ version: { lte: version - KEPT_VERSIONS } });
  return { ...columnsOf(held, changes), settingsVersion: version };
}

function assertMayChange(context: RequestContext, actor: Actor, changes: SettingChanges, at: Arguments): void {
  const held = effective(context.catalogue, actor);
  const isForSomebodyElse = context.viewer?.impersonation != null;
  for (const path of changedPaths(changes)) {
    const { needs, isVendors } = SETTINGS[path];
    const argument = at.ofSetting(path);
    if (isForSomebodyElse && !isVendors)
      throw new OrgateError('FORBIDDEN', `Nobody changes ${path} for somebody else.`, { argument });
    if (path === 'featureFlags') assertMaySwitch(actor, changes[path], argument);
    if (needs === 'OWNER') {
      if (actor.role !== 'OWNER') throw new OrgateError('FORBIDDEN', `Only an OWNER changes ${path}.`, { argument });
    } else if (!held.has(needs)) {
      throw new OrgateError('FORBIDDEN', undefined, { argument, requiredPermission: needs });
    }
  }
}

/** @throws FORBIDDEN where it switches what only OWNERs do */
function assertMaySwitch({ role }: Actor, pair: SettingChanges['featureFlags'], argument: string): void {
  const [before = {}, after = {}] = pair ?? [];
  const isOn = (flags: Readonly<Record<string, boolean>>, name: string) => flags[name] !== false;
  const switched = OWNERS_FEATURES.find((name) => isOn(before, name) !== isOn(after, name));
  if (switched === undefined || role === 'OWNER') return;
  throw new OrgateError('FORBIDDEN', `Only an OWNER switches ${switched}.`, { argument });
}

/** As many are named at once. */
const MOST_NAMED = 20;

/**
 * Whoever belongs outside the set, too, would be barred. They are named as they are known here, and never where else they are.
 *
 * @throws CONFLICT on the path
 */
async function assertNobodyOutside(db: LockedDb, { outside }: RequestContext, at: Arguments) {
  const ids = await outside(openMembersOutside).list(db.held.id, MOST_NAMED);
  if (ids.length === 0) return;
  const members = await db.membership.list({
    where: { userId: { in: ids } },
    orderBy: { email: 'asc' },
    take: MOST_NAMED,
  });
  throw new OrgateError('CONFLICT', 'Some members belong to other organizations outside the set: remove them first.', {
    argument: at.ofSetting('security.membership'),
    reason: 'SET_ONLY',
    members: members.map(({ userId, name, email }) => ({ userId, name, email })),
  });
}

/** Who it is, called as they are called now. */
async function madeBy(db: LockedDb, { act }: RequestContext, actor: Actor) {
  const { kind: byKind, id: byId, name } = act;
  const key = byKind === 'API_KEY' && byId !== null ? await db.apiKey.find({ id: byId }) : null;
  return { byKind, byId, byName: key?.name ?? name ?? actor.name };
}
