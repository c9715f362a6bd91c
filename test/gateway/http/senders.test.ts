import { expect, test } from '@jest/globals';
import type { FastifyRequest } from 'fastify';
import { Senders } from '../../../src/gateway/http/senders.js';

const NETWORK = '192.0.2.1';

const asking = (authorization: string, more: Record<string, string> = {}, cookies: Record<string, string> = {}) =>
  ({ headers: { authorization, ...more }, cookies, network: NETWORK }) as unknown as FastifyRequest;

test('a credential is one sender, however the header that holds it is written', () => {
  const senders = new Senders();
  senders.led(asking('Bearer one.token.here'), 'org_acme');
  for (const scheme of ['bearer ', 'BEARER ', 'BeArEr ', 'Bearer  ', `Bearer${' '.repeat(500)}`]) {
    expect(senders.of(asking(`${scheme}one.token.here`))).toBe('org_acme');
  }
  senders.led(asking('bEARER    one.token.here'), null);
  expect(senders.of(asking('Bearer one.token.here'))).toBe(NETWORK);
});

test('who writes one credential in many ways keeps nobody else from being known', () => {
  const senders = new Senders();
  senders.led(asking('Bearer their.token.here'), 'org_globex');
  for (let spaces = 1; spaces <= 6000; spaces += 1)
    senders.led(asking(`Bearer${' '.repeat(spaces)}one.token.here`), 'org_acme');
  expect(senders.of(asking('Bearer their.token.here'))).toBe('org_globex');
});
