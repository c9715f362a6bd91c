import { expect } from '@jest/globals';
import { provisionFromProvider } from '../../src/domains/identity-provider/provision-from-provider.js';
import { newId } from '../../src/data/id.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { givenHeldDomain, givenOrganization, givenProvider, unique } from '../support/given.js';
import { givenDirectory } from '../support/scim.js';
import { useServer } from '../support/server.js';
import { inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';
import { byTest } from '../support/act.js';

const server = useServer({ poolSize: 12 });

interface Beside {
  query(text: string, values: unknown[]): Promise<unknown>;
}

const giveUp = (name: string) => async (beside: Beside) => {
  await beside.query('delete from organization_domain where held_name = $1', [name]);
  await beside.query(`delete from address where name = $1 and kind = 'DOMAIN'`, [name]);
};

race('a directory makes nobody a member under a domain that its organization gave up meanwhile', async () => {
  const acme = await givenOrganization(server);
  const directory = await givenDirectory(server, acme);
  const email = `${unique('jo')}@${directory.domain}`;
  const create = () => directory('POST', '/Users', { userName: email });
  const [answer] = await inOrder(organizationRow(acme.id), [create], giveUp(directory.domain));
  expect(answer?.status).toBe(400);
  expect(await server.database.organizationDb(acme.id, byTest).membership.count({ email })).toBe(0);
});

race('nor does its identity provider', async () => {
  const acme = await givenOrganization(server);
  const { name } = await givenHeldDomain(server, acme);
  const provider = await givenProvider(server, acme);
  const verifiedEmail = `${unique('jo')}@${name}`;
  const { catalogue } = createContract();
  const admit = () =>
    provisionFromProvider(
      { ...server.database, catalogue },
      provider,
      { subject: newId('sub'), verifiedEmail, name: 'Jo' },
      {},
    ).catch((error: unknown) => error);
  const [refusal] = await inOrder(organizationRow(acme.id), [admit], giveUp(name));
  expect(refusal).toMatchObject({ reason: 'EMAIL_DOMAIN' });
  expect(await server.database.organizationDb(acme.id, byTest).membership.count({ email: verifiedEmail })).toBe(0);
  const known = await server.database.pool.queryAsLoginRole('select from person where email = $1', [verifiedEmail]);
  expect(known.rows).toEqual([]);
});
