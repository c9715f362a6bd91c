import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Row } from '../../../data/organization/table.js';
import type { OrganizationSettings } from '../../../generated/graphql.js';
import { type SettingColumn, SETTING_PATHS, SETTINGS, type SettingPath, type Settings } from './schema.js';

type Organization = Row<'Organization'>;
/** Where the settings of an organization are kept. */
export type Kept = Pick<Organization, 'settings' | SettingColumn>;

/** Some settings, by path. */
export type SomeSettings = { readonly [P in SettingPath]?: Settings[P] };

/** What somebody wants them to be. */
export interface WantedSettings {
  readonly settings: SomeSettings;
  /** The version that they have seen; null where that does not matter. */
  readonly expectedVersion: number | null;
}

/** By path, what was there and what is to be. */
export type SettingChanges = { readonly [P in SettingPath]?: readonly [Settings[P], Settings[P]] };

/** All settings of an organization: what was chosen, and what else they begin as. */
export function readSettings(kept: Kept): Settings {
  const document = kept.settings as SomeSettings;
  return fromPaths((path) => {
    const { column, initial } = SETTINGS[path];
    return column ? kept[column] : (document[path] ?? initial);
  }) as Settings;
}

/** What of the settings is to be different. */
export function changesOf(before: Settings, wanted: SomeSettings): SettingChanges {
  const differing = SETTING_PATHS.filter(
    (path) => wanted[path] !== undefined && !isDeepStrictEqual(before[path], wanted[path]),
  );
  return Object.fromEntries(differing.map((path) => [path, [before[path], wanted[path]]]));
}

export const changedPaths = (changes: SettingChanges): SettingPath[] => SETTING_PATHS.filter((path) => path in changes);

/** The columns of an organization in which changes are kept. */
export function columnsOf(kept: Kept, changes: SettingChanges) {
  const after = changedPaths(changes).map((path) => [path, SETTINGS[path].column ?? null, changes[path]?.[1]] as const);
  const inDocument = after.filter(([, column]) => column === null).map(([path, , value]) => [path, value]);
  const inColumns = after.filter(([, column]) => column !== null).map(([, column, value]) => [column, value]);
  return {
    ...Object.fromEntries(inColumns),
    ...(inDocument.length > 0 && { settings: { ...(kept.settings as object), ...Object.fromEntries(inDocument) } }),
  } as { readonly [C in keyof Kept]?: Kept[C] & object };
}

/** As the contract shows them: group by group. */
export const toContract = (row: Kept & Pick<Organization, 'settingsVersion'>): OrganizationSettings =>
  ({ ...inGroups(readSettings(row)), version: row.settingsVersion }) as OrganizationSettings;

const checks = inGroups(fromPaths((path) => SETTINGS[path].check.optional())) as Readonly<
  Record<string, z.ZodType | Readonly<Record<string, z.ZodType>>>
>;

/** What a client gives: of each group some, or nothing, checked by the table; and the version that it has seen. */
export const settingsInput = z
  .object({
    ...Object.fromEntries(
      Object.entries(checks).map(([group, check]) => [
        group,
        check instanceof z.ZodType ? check : z.object(check).nullish(),
      ]),
    ),
    expectedVersion: z.int().nullish(),
  })
  .transform(({ expectedVersion = null, ...groups }): WantedSettings => ({
    settings: byPath(groups),
    expectedVersion,
  }));

function fromPaths(valueOf: (path: SettingPath) => unknown): object {
  return Object.fromEntries(SETTING_PATHS.map((path) => [path, valueOf(path)]));
}

/** `{ 'security.apiKeyMaxDays': 30 }` as `{ security: { apiKeyMaxDays: 30 } }`. */
function inGroups(paths: object): Record<string, unknown> {
  const groups: Record<string, Record<string, unknown>> = {};
  const alone: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(paths)) {
    const [group = '', field] = path.split('.');
    if (field === undefined) alone[group] = value;
    else (groups[group] ??= {})[field] = value;
  }
  return { ...groups, ...alone };
}

/** The other way round, of what is given. */
function byPath(groups: Readonly<Record<string, unknown>>): SomeSettings {
  const given = SETTING_PATHS.flatMap((path) => {
    const [group = '', field] = path.split('.');
    const held = groups[group];
    const value = field === undefined ? held : (held as Readonly<Record<string, unknown>> | null | undefined)?.[field];
    return value === undefined ? [] : [[path, value]];
  });
  return Object.fromEntries(given);
}
