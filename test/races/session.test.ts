import { expect, jest, test } from '@jest/globals';
import { givenOrganization, personId } from '../support/given.js';
import { isPostgres, useServer } from '../support/server.js';
import { givenBrowser, renew } from '../support/sessions.js';

const race = isPostgres ? test : test.skip;
if (!isPostgres) {
  test.skip('skipped: the embedded database has one connection and proves nothing about races; set TEST_DATABASE_URL', () =>
    undefined);
}
const server = useServer({ poolSize: 12 });
jest.setTimeout(120_000);

race('of two who renew with one token exactly one succeeds, and the session is over, fifty times over', async () => {
  const id = await personId((await givenOrganization(server)).viewer);
  for (let round = 0; round < 50; round += 1) {
    const browser = await givenBrowser(server, id);
    const { refresh } = await browser.token();
    const answers = await Promise.all([renew(server, refresh), renew(server, refresh)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 401]);
    const winner = answers.find(({ status }) => status === 200);
    expect((await server.withToken(winner?.access ?? '')('{ viewer { role } }')).status).toBe(401);
    expect((await renew(server, winner?.refresh ?? '')).status).toBe(401);
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

race('many tabs that ask for tokens at once all get theirs', async () => {
  const id = await personId((await givenOrganization(server)).viewer);
  const browser = await givenBrowser(server, id);
  const answers = await Promise.all(Array.from({ length: 10 }, () => browser.token()));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  const renewed = await Promise.all(answers.map(({ refresh }) => renew(server, refresh)));
  expect(renewed.map(({ status }) => status)).toEqual(Array(10).fill(200));
});
