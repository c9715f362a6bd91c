import { expect, test } from '@jest/globals';
import { parseDomain } from '../../../src/domains/dns-domain/domain-name.js';

const nameOf = (text: string, allowReserved = false) => {
  const parsed = parseDomain(text, allowReserved);
  return 'name' in parsed ? parsed.name : null;
};
const refusalOf = (text: string, allowReserved = false) => {
  const parsed = parseDomain(text, allowReserved);
  return 'refusal' in parsed ? parsed.refusal : null;
};

test.each([
  ['acme.com', 'acme.com'],
  ['  ACME.Com.  ', 'acme.com'],
  ['mail.acme.co.uk', 'mail.acme.co.uk'],
  ['münchen.de', 'xn--mnchen-3ya.de'],
  ['МОСКВА.рф', 'xn--80adxhks.xn--p1ai'],
  ['xn--mnchen-3ya.de', 'xn--mnchen-3ya.de'],
  // Registered by one customer under a suffix of their provider.
  ['acme.github.io', 'acme.github.io'],
])('%j is held as %s', (text, name) => {
  expect(nameOf(text)).toBe(name);
});

test.each([
  '',
  '.',
  '..',
  'acme',
  'acme..com',
  '-acme.com',
  'acme-.com',
  'a_b.com',
  '*.acme.com',
  'acme.com/x',
  'acme com',
])('%j is no domain name', (text) => expect(nameOf(text, true)).toBeNull());
test.each([
  'user@acme.com',
  'acme.com:80',
  'https://acme.com',
  `${'a'.repeat(64)}.com`,
  `${'a.'.repeat(126)}com`,
  'a%2eb.com',
  'xn--zz.com',
])('%j is no domain name either', (text) => expect(refusalOf(text, true)).toBe('Not a domain name.'));

test.each(['127.0.0.1', '10.1', '1', '0x7f.1', '::1', '[::1]', '2001:db8::1', '１２７.0.0.1'])(
  '%s is an address',
  (text) => {
    expect(refusalOf(text, true)).toBe('An address is no domain.');
  },
);

test.each(['com', 'co.uk', 'github.io', 'xn--p1ai', 'рф', 'foo.kawasaki.jp'])('%s is a public suffix', (text) => {
  expect(refusalOf(text)).toBe('Under this name anyone may register a domain.');
});

test.each([
  'gmail.com',
  'GMAIL.com',
  'mail.gmail.com',
  'web.de',
  'fastmail.com',
  'yahoo.co.uk',
  'icloud.com',
  'mailinator.com',
])('%s belongs to a public mail provider', (text) =>
  expect(refusalOf(text)).toBe('This domain belongs to a public mail provider.'),
);

test.each([
  'localhost',
  'acme.localhost',
  'printer.local',
  'wiki.internal',
  'acme.invalid',
  'acme.onion',
  'router.home.arpa',
  '1.168.192.in-addr.arpa',
  'acme.corp',
  'acme.lan',
])('%s is not on the public internet, wherever it is asked', (text) => {
  const refusal = 'This name is not on the public internet.';
  expect([refusalOf(text), refusalOf(text, true)]).toEqual([refusal, refusal]);
});

test('names that nobody can own may be claimed for trying things out, and nowhere else', () => {
  expect([nameOf('acme.example', true), nameOf('mail.acme.test', true)]).toEqual(['acme.example', 'mail.acme.test']);
  for (const name of ['acme.example', 'acme.test']) {
    expect(refusalOf(name)).toBe('This name is not on the public internet.');
  }
  expect(nameOf('example', true)).toBeNull();
});
