import type { RequestContext } from '../../../context/context.js';
import type { LockedDb } from '../../../data/organization/organization-db.js';
import { conflict, OrgateError } from '../../../errors.js';
import type { Actor } from '../../../rights/actor.js';
import { holdToSupportAccess } from '../../../rights/support-access.js';
import { effective } from '../../../rights/escalation.js';
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
 * Settings as they are to be, as columns of the organization's row, which the caller updates; what is different makes a new
 * version. Every door by which settings change leads through here, under the organization's lock, so that versions have no gap
 * and nobody overwrites what they have not seen.
 *
 * @param at where the arguments stand
 * @throws CONFLICT on `expectedVersion` when another was first; FORBIDDEN on the path of a setting that is for others to change
 */
export async function changeSettings(
  db: LockedDb,
  context: RequestContext,
  actor: Actor,
  { settings, expectedVersion }: WantedSettings,
  at: Arguments,
) {
  const { held } = db;
  if (expectedVersion !== null && expectedVersion !== held.settingsVersion) {
    throw conflict('The settings were changed in the meantime.', at.expectedVersion);
  }
  const changes = changesOf(readSettings(held), settings);
  assertMayChange(context, actor, changes, at);
  if (changedPaths(changes).length === 0) return {};
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
    if (needs === 'OWNER') {
      if (actor.role !== 'OWNER') throw new OrgateError('FORBIDDEN', `Only an OWNER changes ${path}.`, { argument });
    } else if (!held.has(needs)) {
      throw new OrgateError('FORBIDDEN', undefined, { argument, requiredPermission: needs });
    }
  }
}

/** Who it is, called as they are called now. */
async function madeBy(db: LockedDb, { act }: RequestContext, actor: Actor) {
  const { kind: byKind, id: byId, name } = act;
  const key = byKind === 'API_KEY' && byId !== null ? await db.apiKey.find({ id: byId }) : null;
  return { byKind, byId, byName: key?.name ?? name ?? actor.name };
}
