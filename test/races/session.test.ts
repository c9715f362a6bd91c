import { expect } from '@jest/globals';
import { openSessions } from '../../src/identity/sessions.js';
import { givenOrganization, personId } from '../support/given.js';
import { useServer } from '../support/server.js';
import { givenBrowser, renew } from '../support/sessions.js';
import { inOrder } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const tokenRow = (sessionId: string) => ({
  text: 'select from refresh_token where session_id = $1 for update',
  values: [sessionId],
});

race('of two who renew with one token at once both get the same successor, fifty times over', async () => {
  const id = await personId((await givenOrganization(server)).viewer);
  for (let round = 0; round < 50; round += 1) {
    const browser = await givenBrowser(server, id);
    const { refresh } = await browser.token();
    const answers = await Promise.all([renew(server, refresh), renew(server, refresh)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[0]?.refresh).toBe(answers[1]?.refresh);
    for (const { access } of answers) {
      expect((await server.withToken(access)('{ viewer { role } }')).status).toBe(200);
    }
    expect((await renew(server, answers[0]?.refresh ?? '')).status).toBe(200);
  }
});

race('whoever comes with a used token before its successor is used gets that; after it, ends the session', async () => {
  const id = await personId((await givenOrganization(server)).viewer);
  for (const copyIsFirst of [true, false]) {
    const browser = await givenBrowser(server, id);
    const { refresh: copied } = await browser.token();
    const { refresh } = await renew(server, copied);
    const copy = () => renew(server, copied);
    const owner = () => renew(server, refresh);
    const steps = copyIsFirst ? [copy, owner] : [owner, copy];
    const [first, second] = await inOrder(tokenRow(browser.sessionId), steps);
    expect([first?.status, second?.status]).toEqual([200, copyIsFirst ? 200 : 401]);
    if (copyIsFirst) expect(first?.refresh).toBe(refresh);
    const { status } = await server.withToken(first?.access ?? '')('{ viewer { role } }');
    expect(status).toBe(copyIsFirst ? 200 : 401);
  }
});

race('whoever renews while the session is being ended is not left with one that lives', async () => {
  const id = await personId((await givenOrganization(server)).viewer);
  for (let round = 0; round < 20; round += 1) {
    const browser = await givenBrowser(server, id);
    const { refresh } = await browser.token();
    const [answer] = await Promise.all([renew(server, refresh), browser('mutation { signOut }')]);
    if (answer.status === 200) {
      expect((await server.withToken(answer.access)('{ viewer { role } }')).status).toBe(401);
      expect((await renew(server, answer.refresh)).status).toBe(401);
    }
  }
});

race(
  'of who signs in at a host while they sign out where they came from nothing is left, in either order',
  async () => {
    for (const beginsFirst of [true, false]) {
      const acme = await givenOrganization(server);
      const browser = await givenBrowser(server, await personId(acme.viewer));
      const sessions = server.database.outside(openSessions);
      const begin = () => sessions.startAtHost({ of: browser.sessionId, boundOrgId: acme.id, userAgent: null });
      const end = () => browser('mutation { signOut }');
      const sessionRow = { text: 'select from session where id = $1 for update', values: [browser.sessionId] };
      await inOrder<unknown>(sessionRow, beginsFirst ? [begin, end] : [end, begin]);
      const { rows } = await server.database.pool.queryAsLoginRole(
        'select end_reason from session where source_id = $1 and bound_org_id = $2',
        [browser.sessionId, acme.id],
      );
      expect(rows).toEqual(beginsFirst ? [{ end_reason: 'SIGNED_OUT' }] : []);
    }
  },
);

race('many tabs that ask for tokens at once all get theirs', async () => {
  const id = await personId((await givenOrganization(server)).viewer);
  const browser = await givenBrowser(server, id);
  const answers = await Promise.all(Array.from({ length: 10 }, () => browser.token()));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  const renewed = await Promise.all(answers.map(({ refresh }) => renew(server, refresh)));
  expect(renewed.map(({ status }) => status)).toEqual(Array(10).fill(200));
});
