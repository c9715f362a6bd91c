import { afterAll, expect } from '@jest/globals';
import { CHECK_DOMAIN } from '../../src/domains/dns-domain/check-domain.js';
import { createFindTxt, FIND_TXT } from '../../src/egress/find-txt.js';
import { Parts } from '../../src/parts.js';
import { startNameServer } from '../support/dns.js';
import { givenOrganization, unique } from '../support/given.js';
import { openReplica } from '../support/due-work.js';
import { useServer } from '../support/server.js';
import { race } from './race.js';

const dns = await startNameServer();
const server = useServer({ poolSize: 12, env: { DNS_SERVERS: dns.address } });
afterAll(() => dns.close());

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);
const VERIFY = 'mutation ($id: ID!) { verifyDomain(id: $id) { status lastCheck { problem } } }';

race('of five organizations that prove one domain at the same moment one holds it, twenty times over', async () => {
  const claimants = await Promise.all(Array.from({ length: 5 }, () => givenOrganization(server)));
  for (let round = 0; round < 20; round += 1) {
    const name = `${unique('contended')}.example`;
    const claims = await Promise.all(
      claimants.map(async ({ admin }) => {
        const { data } = await admin(
          'mutation ($name: String!) { addDomain(name: $name) { id record { name value } } }',
          {
            name,
          },
        );
        return { admin, ...data.addDomain };
      }),
    );
    dns.zones.set(`_orgate-challenge.${name}`, { txt: claims.map(({ record }) => record.value) });
    const answers = await Promise.all(claims.map(({ admin, id }) => admin(VERIFY, { id })));
    const outcomes = answers.map(({ data }) => `${data.verifyDomain.status} ${data.verifyDomain.lastCheck.problem}`);
    expect(outcomes.toSorted()).toEqual([...Array<string>(4).fill('PENDING HELD_BY_ANOTHER'), 'VERIFIED null']);
    expect((await sql('select from address where name = $1', [name])).rowCount).toBe(1);
  }
});

race('replicas that check at the same moment share the domains out: each is asked for once', async () => {
  const { id, admin } = await givenOrganization(server);
  const names = Array.from({ length: 25 }, () => `${unique('shared')}.example`);
  for (const name of names) {
    const { data } = await admin('mutation ($name: String!) { addDomain(name: $name) { id record { name value } } }', {
      name,
    });
    dns.zones.set(data.addDomain.record.name, { txt: [data.addDomain.record.value] });
    await admin(VERIFY, { id: data.addDomain.id });
  }
  await sql(`update owed_work set due_at = current_timestamp where subject like $1 || '/%'`, [id]);
  dns.asked.length = 0;
  const open = () =>
    openReplica(server, { owed: [CHECK_DOMAIN], parts: new Parts().add(FIND_TXT, createFindTxt([dns.address])) });
  await Promise.all(Array.from({ length: 4 }, () => open().workOff()));
  const asked = dns.asked.filter((name) => names.some((each) => name.endsWith(each)));
  expect(asked.toSorted()).toEqual(names.map((name) => `_orgate-challenge.${name}`).toSorted());
});
