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
  readFileSync(path.join(SRC, file), 'utf8').replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');
const onOneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** In small letters, or all in capitals: a sentence for people begins with one capital. */
const STATEMENT = /^(select|insert|update|delete|with|SELECT|INSERT|UPDATE|DELETE|WITH) /;

/** The texts of SQL in a file; what is put together stands as it is written. */
const statementsOf = (file: string): string[] =>
  [...read(file).matchAll(/`([^`]*)`|'([^'\n]*)'/g)]
    .map(([, template, plain]) => onOneLine(template ?? plain ?? ''))
    .filter((text) => STATEMENT.test(text));

/** What they are put together from. */
const piecesOf = (file: string): string[] =>
  [...read(file).matchAll(/const ([A-Z_]+) =\s*(?:`([^`]*)`|'([^'\n]*)'|"([^"\n]*)")/g)]
    .map(([, name, ...texts]) => [name, onOneLine(texts.find((text) => text !== undefined) ?? '')] as const)
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
  expect(found.filter((each) => !each.startsWith('development/demo.ts'))).toEqual([]);
});
