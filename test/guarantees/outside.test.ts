import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const SRC = path.join(import.meta.dirname, '../../src');

/** Where statements outside any one organization may stand, and nowhere else. */
const isOutside = (file: string): boolean => /^(identity\/[\w-]+|(domains\/[\w-]+|jobs)\/outside)\.ts$/.test(file);

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map(({ parentPath, name }) => path.relative(SRC, path.join(parentPath, name)))
  .filter((file) => !file.startsWith('generated/'))
  .toSorted();

const read = (file: string): string =>
  // A comment that something follows on its line is one of SQL.
  readFileSync(path.join(SRC, file), 'utf8').replaceAll(/^\s*(\/\/|\*|\/\*(?!.*\*\/ *\S)).*$/gm, '');
const onOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** A transaction's bounds reach no row. */
const VERBS =
  'select|insert|update|delete|with|merge|truncate|copy|lock|set|reset|call|do|listen|unlisten|notify|' +
  'alter|create|drop|grant|revoke|comment|declare|fetch|prepare|execute|analyze|vacuum';

/** In small letters, or all in capitals: a sentence for people begins with one capital. */
const STATEMENT = new RegExp(`^(/\\*[^*]*\\*/ )?(${VERBS}|${VERBS.toUpperCase()}) `);

/** In any quotes; what a template fills in may hold templates of its own. */
const TEXT = /`((?:[^`$]|\$(?!\{)|\$\{(?:[^`{}]|`[^`]*`|\{[^{}]*\})*\})*)`|'([^'\n]*)'|"([^"\n]*)"/g;
const textOf = (quoted: readonly (string | undefined)[]): string =>
  onOneLine(quoted.find((text) => text !== undefined) ?? '');

/** The texts of SQL in a file; what is put together stands as it is written. */
const statementsOf = (file: string): string[] =>
  [...read(file).matchAll(TEXT)].map(([, ...quoted]) => textOf(quoted)).filter((text) => STATEMENT.test(text));

/** What they are put together from. */
const piecesOf = (file: string): string[] =>
  [...read(file).matchAll(new RegExp(`const ([A-Z_]+) =\\s*(?:${TEXT.source})`, 'g'))]
    .map(([, name, ...quoted]) => [name, textOf(quoted)] as const)
    .filter(([, text]) => text.includes(' ') && !STATEMENT.test(text))
    .map(([name, text]) => `\${${name}} ${text}`);

test('the statements outside any one organization MUST be these', () => {
  const statements = Object.fromEntries(
    files
      .filter(isOutside)
      .map((file) => [file, [...piecesOf(file), ...statementsOf(file)]] as const)
      .filter(([, found]) => found.length > 0),
  );
  expect(statements).toMatchSnapshot();
});

test('nothing above data says SQL anywhere else', () => {
  const elsewhere = files.filter((file) => !file.startsWith('data/') && !isOutside(file));
  const found = elsewhere.flatMap((file) => statementsOf(file).map((text) => `${file}: ${text}`));
  // Demo data is laid down by statements of its own, before there is anyone to ask.
  const others = found.filter((each) => !each.startsWith('development/demo.ts'));
  // It hears that there is something to read, on a connection that reads nothing.
  expect(others).toEqual(['jobs/carry-by-notify.ts: listen ${NEWS_CHANNEL}']);
});
