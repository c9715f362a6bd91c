import { z } from 'zod';
import type { RequestContext } from '../../../context/context.js';
import { enterBeside } from '../../../context/enter-beside.js';
import { badInput, orNotFound } from '../../../errors.js';
import type { SettingChange } from '../../../generated/graphql.js';
import type { OrganizationSummary } from '../../../identity/person.js';
import { parseInput } from '../../../resource/input.js';
import { asActor } from '../../../rights/actor.js';
import { openHeldEntryWriter } from '../../audit-entry/index.js';
import type { record } from '../record.js';
import { assertMay } from './compare-organizations.js';
import { type Arguments, changeSettings, checkSettings } from './change-settings.js';
import { changedPaths, changesOf, readSettings, type SettingChanges, type SomeSettings } from './document.js';
import { isSettingPath, type SettingPath, SETTINGS } from './schema.js';

const promoteInput = z.object({
  from: z.string(),
  paths: z.array(z.string()).min(1, 'At least one.').max(100, 'At most 100.'),
  dryRun: z.boolean().nullish(),
  expectedVersion: z.int().nullish(),
});

const TAKEN_OVER: keyof typeof record.actions = 'organization.settings_promoted';

export interface Promoted {
  readonly organization: OrganizationSummary;
  readonly changes: SettingChange[];
}

/**
 * Takes settings over from another organization into the current one. What the other one is asked for stands in its record, committed
 * there before anything is done here; everything else is done here.
 *
 * @throws BAD_USER_INPUT on the path that is never taken over, or cannot be here; NOT_FOUND; FORBIDDEN without `settings:promote` in
 *   both, when that was lost meanwhile, and on a setting that is for others to change; CONFLICT on `input.expectedVersion`
 */
export async function promoteSettings(input: unknown, context: RequestContext): Promise<Promoted> {
  const { from, dryRun, expectedVersion = null, ...given } = parseInput(promoteInput, input);
  const source = await enterBeside(context, from);
  assertMay(source, 'settings:promote', 'write');
  const { orgId } = context.organization;
  if (source.organization.orgId === orgId) throw badInput('input.from', 'Must be another organization.');
  const paths = given.paths.map(toPath);
  if (new Set(paths).size !== paths.length) throw badInput('input.paths', 'Must name each once.');
  const at: Arguments = {
    ofSetting: (path) => `input.paths.${paths.indexOf(path)}`,
    expectedVersion: 'input.expectedVersion',
  };
  const settings = dryRun ? pick(readSettings(await rowOf(source)), paths) : await takeFrom(source, paths);
  return asActor(context, 'settings:promote', async (db, actor) => {
    const wanted = { settings, expectedVersion };
    if (dryRun) {
      const changes = await checkSettings(db, context, actor, wanted, at);
      return { organization: context.organization.organization, changes: toChanges(changes) };
    }
    const changes = changesOf(readSettings(db.held), settings);
    const changed = await changeSettings(db, context, actor, wanted, at);
    const organization = await db.organization.update({}, { ...changed, updatedAt: db.now() });
    return { organization, changes: toChanges(changes) };
  });
}

function toPath(path: string, index: number): SettingPath {
  const at = `input.paths.${index}`;
  if (!isSettingPath(path)) {
    const [inGroup] = Object.keys(SETTINGS).filter((each) => each.startsWith(`${path}.`));
    const advice = inGroup === undefined ? 'There is no such setting.' : `Name each setting of it, such as ${inGroup}.`;
    throw badInput(at, advice);
  }
  if (!SETTINGS[path].isPromotable) throw badInput(at, `${path} is never taken over: it is meant to differ.`);
  return path;
}

/** Reads the settings under the lock of the organization that they are taken from, and says so in its record. */
const takeFrom = (context: RequestContext, paths: readonly SettingPath[]): Promise<SomeSettings> =>
  asActor(context, 'settings:promote', async (db) => {
    const { orgId } = context.organization;
    const target = { targetType: 'organization', targetId: orgId, targetName: db.held.name };
    // Into which other organization is nothing that everyone learns who reads this record.
    await context.outside(openHeldEntryWriter)(orgId, [
      { act: context.act, action: TAKEN_OVER, outcome: 'DONE', ...target, changes: { paths: [null, paths] } },
    ]);
    return pick(readSettings(db.held), paths);
  });

const rowOf = async ({ db, organization }: RequestContext) =>
  orNotFound(await db.organization.load(organization.orgId));

/** @throws BAD_USER_INPUT where a setting is there what it could not be made here */
function pick(settings: SomeSettings, paths: readonly SettingPath[]): SomeSettings {
  const values = paths.map((path, index) => {
    const checked = SETTINGS[path].check.safeParse(settings[path]);
    if (!checked.success) throw badInput(`input.paths.${index}`, `${path} is there what it can no longer become.`);
    return [path, checked.data];
  });
  return Object.fromEntries(values) as SomeSettings;
}

const toChanges = (changes: SettingChanges): SettingChange[] =>
  changedPaths(changes)
    .toSorted()
    .map((path) => ({ path, before: changes[path]?.[0] ?? null, after: changes[path]?.[1] ?? null }));
