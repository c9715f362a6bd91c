import type { RequestContext } from '../../../context/context.js';
import type { LockedDb } from '../../../data/organization/organization-db.js';
import { badInput, notFound } from '../../../errors.js';
import type { OrganizationSummary } from '../../../identity/person.js';
import { asActor } from '../../../rights/actor.js';
import { type Arguments, changeSettings, KEPT_VERSIONS } from './change-settings.js';
import { changedPaths, changesOf, readSettings, type SomeSettings } from './document.js';
import { pairsIn } from './list-versions.js';
import { isSettingPath, SETTINGS } from './schema.js';

const AT: Arguments = { ofSetting: () => 'version', expectedVersion: 'expectedVersion' };

/**
 * Makes the settings what they were in an earlier version.
 *
 * @throws NOT_FOUND without such a version; CONFLICT on `expectedVersion`; FORBIDDEN where that changes what is for others to change;
 *   BAD_USER_INPUT on `version` where a setting can no longer be what it was
 */
export const rollbackSettings = (
  { version, expectedVersion }: { readonly version: number; readonly expectedVersion: number },
  context: RequestContext,
): Promise<OrganizationSummary> =>
  asActor(context, 'organization:update', async (db, actor) => {
    const settings = await settingsIn(db, version);
    const changed = await changeSettings(db, context, actor, { settings, expectedVersion }, AT);
    return db.organization.update({}, { ...changed, updatedAt: db.now() });
  });

/** What was different then: what was changed since, as it was before, the last change first. */
async function settingsIn(db: LockedDb, version: number): Promise<SomeSettings> {
  const { settingsVersion: current } = db.held;
  const back = current - version;
  if (version < 1 || back < 0) throw notFound();
  const since = await db.settingsVersion.list({
    where: { version: { gt: version } },
    orderBy: { version: 'desc' },
    take: KEPT_VERSIONS,
  });
  if (since.length < back) throw notFound();
  const were: Record<string, unknown> = {};
  // A setting that there is no more is left out.
  for (const [path, [before]] of since.flatMap(pairsIn)) if (isSettingPath(path)) were[path] = before;
  const settings: SomeSettings = were;
  for (const path of changedPaths(changesOf(readSettings(db.held), settings))) {
    const { success } = SETTINGS[path].check.safeParse(settings[path]);
    if (!success) throw badInput('version', `${path} can no longer be what it was in this version.`);
  }
  return settings;
}
