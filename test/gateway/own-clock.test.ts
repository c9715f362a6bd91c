import { afterEach, expect, jest, test } from '@jest/globals';
import { givenKey } from '../support/api-key.js';
import { openEvents } from '../support/events.js';
import { personId } from '../support/given.js';
import { givenDirectory } from '../support/scim.js';
import { givenSealed } from '../support/sealed.js';
import { useServer } from '../support/server.js';
import { givenBrowser } from '../support/sessions.js';

const server = useServer({ scheduled: true });

afterEach(() => void jest.restoreAllMocks());

/** The clock of the machine that the gateway runs on is an hour ahead of everybody else's. */
function setAhead(): void {
  const { now } = Date;
  jest.spyOn(Date, 'now').mockImplementation(() => now() + 3_600_000);
}

test('whoever asks again and again is noted now and then, and not each time', async () => {
  const acme = await givenSealed(server);
  const key = await givenKey(server, acme.owner, ['organization:read']);
  const browser = await givenBrowser(server, await personId(acme.viewer));
  const directory = await givenDirectory(server, acme);
  const ask = async () => {
    expect((await key.client('{ currentOrganization { id } }')).errors).toEqual([]);
    expect((await browser('{ viewer { user { id } } }')).errors).toEqual([]);
    expect((await directory('GET', '/Users')).status).toBe(200);
  };
  await ask();
  const { rows } = await server.database.pool.queryAsLoginRole('select count(*)::int as keys from api_key');
  expect(rows[0].keys).toBeGreaterThan(0);
  setAhead();
  await ask(); // what the first one noted is there by now
  const before = server.statements.length;
  for (let times = 0; times < 5; times += 1) await ask();
  const notes = server.statements
    .slice(before)
    .filter(({ text }) => /^\s*update "?(?:\w+"?\.)?"?(?:api_key|session|scim_directory)\b/.test(text));
  expect(notes.map(({ text }) => text)).toEqual([]);
});

test('all who hear the same are looked up together', async () => {
  const acme = await givenSealed(server);
  const started = async () =>
    (
      await acme.developer('mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }', {
        agentId: acme.agentId,
      })
    ).data.startRun.id as string;
  setAhead();
  const query = 'subscription { organizationRunUpdates { status } }';
  const all = await Promise.all(
    Array.from({ length: 10 }, () => openEvents({ url: server.url, token: acme.viewer.token }, query)),
  );
  await started();
  await Promise.all(all.map((events) => events.next()));
  const before = server.statements.length;
  await started();
  await Promise.all(all.map((events) => events.next()));
  // Each of them anew would be ten, each time that something is told.
  const entered = server.statements
    .slice(before)
    .filter(({ text }) => text.includes('membership m') && text.includes('person p') && !text.includes('digest'));
  expect(entered.length).toBeLessThan(10);
  for (const events of all) events.close();
});
