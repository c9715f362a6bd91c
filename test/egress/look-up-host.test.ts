import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLookUpHost } from '../../src/egress/look-up-host.js';
import { type NameServer, startNameServer } from '../support/dns.js';

let dns: NameServer;
beforeAll(async () => {
  dns = await startNameServer();
});
afterAll(() => dns.close());

const UNKNOWN = { alias: null, addresses: [], isAnswered: false };

test('a host is looked up with its alias and addresses, and one that is none is known to be', async () => {
  const lookUp = createLookUpHost([dns.address]);
  dns.zones.set('direct.example', { a: ['203.0.113.7', '203.0.113.8'] });
  dns.zones.set('alias.example', { cname: 'Target.Example' });
  dns.zones.set('Target.Example', { a: ['203.0.113.9'] });
  dns.zones.set('empty.example', {});
  dns.zones.set('broken.example', { failure: 'SERVFAIL' });
  expect(await lookUp('direct.example')).toEqual({
    alias: null,
    addresses: ['203.0.113.7', '203.0.113.8'],
    isAnswered: true,
  });
  expect(await lookUp('alias.example')).toMatchObject({ alias: 'target.example', isAnswered: true });
  for (const name of ['empty.example', 'absent.example']) {
    expect(await lookUp(name)).toEqual({ alias: null, addresses: [], isAnswered: true });
  }
  expect(await lookUp('broken.example')).toEqual(UNKNOWN);
});

test('however many name servers are silent, nobody waits in line for them; what is beyond fifty is unknown', async () => {
  const lookUp = createLookUpHost([dns.address]);
  dns.zones.set('silent.example', { failure: 'no answer' });
  dns.zones.set('direct.example', { a: ['203.0.113.7'] });
  const silent = Array.from({ length: 49 }, () => lookUp('silent.example'));
  expect(await lookUp('direct.example')).toMatchObject({ isAnswered: true });
  silent.push(lookUp('silent.example'));
  expect(await lookUp('direct.example')).toEqual(UNKNOWN);
  expect(await Promise.all(silent)).toEqual(silent.map(() => UNKNOWN));
  expect(await lookUp('direct.example')).toMatchObject({ isAnswered: true });
});
