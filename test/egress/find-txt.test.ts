import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createFindTxt } from '../../src/egress/find-txt.js';
import { type NameServer, startNameServer } from '../support/dns.js';

let dns: NameServer;
beforeAll(async () => {
  dns = await startNameServer();
});
afterAll(() => dns.close());

const find = (name: string) => createFindTxt([dns.address])(name);

test('every TXT record of a name is found, each as one text, however long', async () => {
  const long = ['a'.repeat(255), 'b'.repeat(255), 'c'];
  dns.zones.set('many.example', { txt: ['one', long, 'Grüße'] });
  const { found, problem } = await find('many.example');
  expect(found.toSorted()).toEqual([long.join(''), 'one', 'Grüße'].toSorted());
  expect(problem).toBeNull();
});

test('records that do not fit into a datagram are asked for again over TCP', async () => {
  const records = Array.from({ length: 60 }, (_, index) => `${index}`.repeat(100));
  dns.zones.set('large.example', { txt: records, truncated: true });
  const { found, problem } = await find('large.example');
  expect(found.toSorted()).toEqual(records.toSorted());
  expect(problem).toBeNull();
});

test('an alias leads to the records of another name', async () => {
  dns.zones.set('alias.example', { cname: 'middle.example' });
  dns.zones.set('middle.example', { cname: 'target.example' });
  dns.zones.set('target.example', { txt: ['found'] });
  expect(await find('alias.example')).toEqual({ found: ['found'], problem: null });
  dns.zones.set('dangling.example', { cname: 'nowhere.example' });
  expect(await find('dangling.example')).toEqual({ found: [], problem: 'NO_SUCH_NAME' });
});

test('why nothing was found is told apart', async () => {
  dns.zones.set('empty.example', {});
  dns.zones.set('broken.example', { failure: 'SERVFAIL' });
  dns.zones.set('closed.example', { failure: 'REFUSED' });
  const problems = ['absent.example', 'empty.example', 'broken.example', 'closed.example'].map(
    async (name) => (await find(name)).problem,
  );
  expect(await Promise.all(problems)).toEqual(['NO_SUCH_NAME', 'NO_TXT_RECORD', 'SERVER_FAILURE', 'SERVER_FAILURE']);
});

test('a name server that does not answer is waited for ten seconds at most', async () => {
  dns.zones.set('silent.example', { failure: 'no answer' });
  const began = performance.now();
  expect(await find('silent.example')).toEqual({ found: [], problem: 'TIMEOUT' });
  expect(performance.now() - began).toBeLessThan(12_000);
});

test('a name server that is not there is told of', async () => {
  const { problem } = await createFindTxt(['127.0.0.1:1'])('any.example');
  expect(['SERVER_FAILURE', 'TIMEOUT']).toContain(problem);
});
