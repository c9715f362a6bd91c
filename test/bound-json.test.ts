import { expect, test } from '@jest/globals';
import { measureJson } from '../src/bound-json.js';

const BOUNDS = { elements: 10, names: 5, levels: 4 };
const faultOf = (text: string) => {
  const measured = measureJson(Buffer.from(text), BOUNDS);
  return typeof measured === 'string' ? measured : null;
};
const members = (count: number) => `{${Array.from({ length: count }, (_, each) => `"${each}":1`).join(',')}}`;

test.each<[string, string, ReturnType<typeof faultOf>]>([
  ['nothing', '', null],
  ['as many entries as may be', `[${'1,'.repeat(9)}1]`, null],
  ['one more', `[${'1,'.repeat(10)}1]`, 'elements'],
  ['empty objects', `[${'{},'.repeat(6)}{}]`, 'elements'],
  ['as many members as may be', members(5), null],
  ['one more', members(6), 'names'],
  ['the same names in several objects', `[${members(3)},${members(3)}]`, null],
  ['as many names in several objects', '[{"a":1},{"b":{"c":{"d":1,"e":1}}}]', null],
  ['one more', '[{"a":1},{"b":{"c":1}},{"d":1,"e":1,"f":1}]', 'names'],
  ['texts that are no names', '["a","b","c","d","e","f","g"]', null],
  ['names before blanks', '{"a" :1,"b"\t:1,"c"\r\n:1,"d":1,"e":1,"f" :1}', 'names'],
  ['as many levels as may be', '[{"a":[{}]}]', null],
  ['one more', '[{"a":[{"a":[]}]}]', 'levels'],
  ['levels that close and open', '[[[]],[[]],[[]]]', null],
  ['more closed than opened', `${']'.repeat(99)}${'['.repeat(5)}`, 'levels'],
  ['text that looks like it', JSON.stringify('[{,'.repeat(99)), null],
  ['text with quotes', JSON.stringify(`"${'[{,'.repeat(99)}\\"`), null],
  ['text that ends in a backslash', `["\\\\",${'{},'.repeat(9)}{}]`, 'elements'],
  ['text that never ends', '["\\', null],
  ['an object that never ends', '{"a":1,"b":1,"c":1,"d":1', null],
  ['a prototype', '{"__proto__":1}', 'prototype'],
  ['a prototype further in', '[{"a":{"__proto__" \n\t\r : 1}}]', 'prototype'],
  ['a prototype in escapes', '{"\\u005f\\u005F\\u0070\\u0072\\u006f\\u0074\\u006F\\u005f\\u005f":1}', 'prototype'],
  ['a prototype partly in escapes', '{"_\\u005fproto__":1}', 'prototype'],
  ['the word as a value', '{"a":"__proto__","b":["__proto__"]}', null],
  ['names like it', '{"__proto":1,"__proto___":2,"x__proto__":3,"\\u005c__proto__":4}', null],
  ['a constructor', '{"constructor":{"prototype":1}}', null],
])('%s', (_, text, fault) => {
  expect(faultOf(text)).toBe(fault);
});

/** What is in use for what a text is parsed to, at the most. */
const measured = (text: string) => Number(measureJson(Buffer.from(text), { elements: 40_000, names: 2000, levels: 9 }));

test('what is parsed weighs by what it is made of', () => {
  expect(measured(`[${'1,'.repeat(9999)}1]`)).toBe(10_000 * 48);
  expect(measured(`[${'{},'.repeat(9999)}{}]`)).toBe(20_000 * 48);
  expect(measured(`[${'{"a":1},'.repeat(9999)}{"a":1}]`)).toBe(20_000 * 48 + 10_000 * 112);
  expect(measured(JSON.stringify({ text: 'x'.repeat(10_000) }))).toBe(48 + 112);
});
