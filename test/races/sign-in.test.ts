import { afterAll, beforeAll, expect } from '@jest/globals';
import { Browser } from '../support/browser.js';
import { type GivenOrganization, givenOrganization, unique } from '../support/given.js';
import {
  type Account,
  CLIENT_ID,
  CLIENT_SECRET,
  type OidcIdentityProvider,
  startOidcIdentityProvider,
} from '../support/oidc-identity-provider.js';
import { useServer } from '../support/server.js';
import { race } from './race.js';
import { byTest } from '../support/act.js';

const server = useServer({ poolSize: 12, env: { RATE_LIMIT_SIGN_IN: 'off' } });

let idp: OidcIdentityProvider;
beforeAll(async () => {
  idp = await startOidcIdentityProvider();
});
afterAll(() => idp.close());

const sql = (text: string, values: unknown[]) => server.database.pool.queryAsLoginRole(text, values);

async function givenProvider(): Promise<GivenOrganization> {
  const acme = await givenOrganization(server);
  await server.database
    .organizationDb(acme.id, byTest)
    .address.create({ name: `${acme.slug}.example`, kind: 'DOMAIN' });
  const input = { name: 'Corporate', issuer: idp.issuer, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
  await acme.owner('mutation ($input: CreateOidcProviderInput!) { createOidcProvider(input: $input) { id } }', {
    input,
  });
  return acme;
}

const someone = ({ slug }: GivenOrganization): Account => ({
  sub: unique('subject'),
  email: `${unique('jane')}@${slug}.example`,
  email_verified: true,
});

/** Each in a browser of their own, up to the callback; then all at once. */
async function signInAtOnce({ slug }: GivenOrganization, accounts: Account[]): Promise<number[]> {
  const ready: [Browser, string][] = [];
  for (const account of accounts) {
    idp.account = account;
    const browser = new Browser();
    const start = `${server.url.replace('127.0.0.1', 'localhost')}/auth/${slug}`;
    ready.push([browser, (await browser.visit(start, {}, (url) => url.includes('/callback'))).url]);
  }
  const statuses = await Promise.all(ready.map(([browser, callback]) => browser.send(callback)));
  return statuses.map(({ status }) => status).sort((a, b) => a - b);
}

race('one person who signs in ten times at once is made once, and becomes a member once', async () => {
  for (let round = 0; round < 5; round += 1) {
    const acme = await givenProvider();
    const jane = someone(acme);
    expect(await signInAtOnce(acme, Array<Account>(10).fill(jane))).toEqual(Array(10).fill(303));
    const { rows } = await sql(
      `select i.person_id from identity i join person p on p.id = i.person_id
       join membership m on m.user_id = p.id and m.org_id = $2 where i.subject = $1`,
      [jane.sub, acme.id],
    );
    expect(rows).toHaveLength(1);
  }
});

race('of ten new people at once as many come in as there are seats', async () => {
  const acme = await givenProvider();
  await sql('update organization set seat_limit = 7 where id = $1', [acme.id]);
  const people = Array.from({ length: 10 }, () => someone(acme));
  expect(await signInAtOnce(acme, people)).toEqual([...Array(3).fill(303), ...Array(7).fill(403)]);
  const { rowCount } = await sql(`select from membership where org_id = $1 and status = 'ACTIVE'`, [acme.id]);
  expect(rowCount).toBe(7);
});
