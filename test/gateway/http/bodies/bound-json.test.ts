import { expect, test } from '@jest/globals';
import { findJsonFault } from '../../../../src/gateway/http/bodies/bound-json.js';

const BOUNDS = { elements: 10, members: 5, levels: 4 };
const faultOf = (text: string) => findJsonFault(Buffer.from(text), BOUNDS);
const members = (count: number) => `{${Array.from({ length: count }, (_, each) => `"${each}":1`).join(',')}}`;

test.each<[string, string, ReturnType<typeof faultOf>]>([
  ['nothing', '', null],
  ['as many entries as may be', `[${'1,'.repeat(9)}1]`, null],
  ['one more', `[${'1,'.repeat(10)}1]`, 'elements'],
  ['empty objects', `[${'{},'.repeat(6)}{}]`, 'elements'],
  ['as many members as may be', members(5), null],
  ['one more', members(6), 'members'],
  ['members of several objects', `[${members(3)},${members(3)}]`, null],
  ['members on both sides of an object', '{"a":1,"b":2,"c":{"d":1,"e":2},"f":3,"g":4}', null],
  ['the same, and one more', '{"a":1,"b":2,"c":{"d":1},"e":3,"f":4,"g":5}', 'members'],
  ['as many levels as may be', '[{"a":[{}]}]', null],
  ['one more', '[{"a":[{"a":[]}]}]', 'levels'],
  ['levels that close and open', '[[[]],[[]],[[]]]', null],
  ['more closed than opened', `${']'.repeat(99)}${'['.repeat(5)}`, 'levels'],
  ['text that looks like it', JSON.stringify('[{,'.repeat(99)), null],
  ['text with quotes', JSON.stringify(`"${'[{,'.repeat(99)}\\"`), null],
  ['text that ends in a backslash', `["\\\\",${'{},'.repeat(9)}{}]`, 'elements'],
  ['text that never ends', '["\\', null],
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

test('what one text left open says nothing of the next', () => {
  expect(faultOf('{"a":1,"b":1,"c":1,"d":1')).toBeNull();
  expect(faultOf('{"a":1,"b":1,"c":1,"d":1')).toBeNull();
  expect(faultOf(members(5))).toBeNull();
});
