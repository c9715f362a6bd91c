import type { Row } from '../../../data/organization/table.js';
import type { SettingChange } from '../../../generated/graphql.js';
import { isSettingPath, SETTINGS } from './schema.js';
import { defineList } from '../../../resource/list.js';

/** How the settings of the current organization changed. */
export const settingsVersions = defineList('SettingsVersion', {
  name: 'settingsVersions',
  key: 'version',
  orders: { VERSION: { by: 'version', is: 'number', isUnique: true } },
  usual: { field: 'VERSION', direction: 'DESC' },
});

type Changes = Pick<Row<'SettingsVersion'>, 'changes'>;

/** By path, what was there and what became of it; as `changeSettings` wrote it. */
export const pairsIn = ({ changes }: Changes) =>
  Object.entries(changes as object) as [path: string, pair: readonly [before: unknown, after: unknown]][];

/** The same as the contract shows it. */
export const changesIn = (version: Changes): SettingChange[] =>
  pairsIn(version)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, pair]) => {
      // As the record tells them: whoever reads settings reads what they are, and not whom they named before.
      const isMasked = isSettingPath(path) && SETTINGS[path].inRecord === 'masked';
      const [before, after] = isMasked ? pair.map((value) => (value === null ? null : '***')) : pair;
      return { path, before, after };
    });
