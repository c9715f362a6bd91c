import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { SETTING_PATHS, SETTINGS } from '../../src/domains/organization/settings/schema.js';
import { FEATURES, LIMITS } from '../../src/permissions/features.js';

/** The rows of the table of docs/settings.md that stands behind `<!-- name -->`. */
function tableOf(name: string): string[][] {
  const text = readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8');
  const [, after = ''] = text.split(`<!-- ${name} -->`);
  const rows = /^\n+((?:\|.*\n)+)/.exec(after)?.[1]?.trim().split('\n') ?? [];
  return rows.slice(2).map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test('every setting is printed, with what is said of it', () => {
  const wanted = SETTING_PATHS.map((path) => {
    const { initial, needs, isPromotable, inRecord } = SETTINGS[path];
    return [
      `\`${path}\``,
      `\`${JSON.stringify(initial)}\``,
      needs === 'OWNER' ? 'an OWNER' : needs === 'organization:update' ? '' : `\`${needs}\``,
      isPromotable ? 'yes' : 'never',
      inRecord === 'masked' ? 'masked' : '',
    ];
  });
  expect(tableOf('settings')).toEqual(wanted);
});

test('every feature and every limit is printed', () => {
  const rows = (words: object) => Object.entries(words).map(([name, what]: [string, string]) => [`\`${name}\``, what]);
  expect(tableOf('features')).toEqual(rows(FEATURES));
  expect(tableOf('limits')).toEqual(rows(LIMITS));
});
