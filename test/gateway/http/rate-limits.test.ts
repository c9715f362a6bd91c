/** @alone: it compares how long answers take. */
import { describe, expect, test } from '@jest/globals';
import { createContract } from '../../../src/gateway/graphql/schema.js';
import { networkOf } from '../../../src/gateway/http/network.js';
import { givenKey } from '../../support/api-key.js';
import { givenMember, givenOrganization, givenTwoOrganizations, unique } from '../../support/given.js';
import { raw } from '../../support/raw.js';
import { type Answer, type Client, codeOf, startServer, unchecked, useServer } from '../../support/server.js';

const WHO = '{ viewer { user { id } } }';
const SWITCH = 'mutation ($id: ID!) { switchOrganization(organizationId: $id) { currentOrganization { id } } }';
const INVITE = `mutation ($email: String!) {
  inviteUser(input: { email: $email, name: "New", role: VIEWER }) { role }
}`;

/** Asks until refused, at most `most` times; how often it was answered. */
async function answeredBefore429(most: number, ask: () => Promise<Answer>): Promise<number> {
  for (let times = 0; times < most; times += 1) if ((await ask()).status === 429) return times;
  return most;
}

const REFUSED = {
  code: 'RATE_LIMITED',
  limit: expect.any(Number),
  remaining: 0,
  resetAt: expect.stringMatching(/^\d{4}-/),
};

/** @param whose what the message says there were too many of, and of whom */
function expectRefusal(answer: Answer, whose = ''): void {
  const seconds = Number(answer.headers.get('retry-after'));
  expect([answer.status, answer.data, codeOf(answer)]).toEqual([429, null, 'RATE_LIMITED']);
  expect(seconds).toBeGreaterThanOrEqual(1);
  expect(seconds).toBeLessThanOrEqual(60);
  expect(answer.errors[0]).toEqual({
    message: expect.stringMatching(`^More than \\d+ .*${whose} in a minute; try again after as many seconds`),
    extensions: { ...REFUSED, retryAfter: seconds, requestId: answer.headers.get('x-request-id') },
  });
}

describe('a person', () => {
  const server = useServer({ env: { RATE_LIMIT_PERSON: '10' } });

  test('is refused beyond their limit, in GraphQL’s shape with Retry-After, whichever media type they speak', async () => {
    const ann = await server.as(`${unique('ann')}@acme.example`);
    expect(await answeredBefore429(20, () => ann(WHO))).toBe(10);
    expectRefusal(await ann(WHO), 'requests of this person');
    expectRefusal(await ann(WHO, {}, { accept: 'application/graphql-response+json' }));
    expectRefusal(await ann(unchecked('{ not a field }')));
  });

  test('is one person with every token they have, and takes nothing from anyone else', async () => {
    const email = `${unique('ann')}@acme.example`;
    const [one, two] = [await server.as(email), await server.as(email, 'acme')];
    for (let each = 0; each < 10; each += 1) await (each % 2 ? one : two)(WHO);
    expectRefusal(await one(WHO));
    expectRefusal(await two(WHO));
    expect((await (await server.as(`${unique('bob')}@acme.example`))(WHO)).status).toBe(200);
  });

  test('who is refused is counted for the operator, and logged without their address', async () => {
    const ann = await server.as(`${unique('ann')}@acme.example`);
    await answeredBefore429(20, () => ann(WHO));
    expect(await server.metrics.refused.get()).toMatchObject({
      values: expect.arrayContaining([{ labels: { limit: 'person' }, value: expect.any(Number) }]),
    });
    expect(server.logs.some((line) => line.includes('RATE_LIMITED'))).toBe(true);
    expect(server.logs.slice(1).join('')).not.toContain('127.0.0.1');
  });
});

describe('a key', () => {
  const server = useServer({ env: { RATE_LIMIT_KEY: '8' } });

  test('is refused beyond its limit, and takes nothing from its owner or from another key', async () => {
    const { owner } = await givenOrganization(server);
    const [one, two] = [await givenKey(server, owner, ['agent:read']), await givenKey(server, owner, ['agent:read'])];
    const ask = (client: Client) => client('{ agents { totalCount } }');
    expect(await answeredBefore429(20, () => ask(one.client))).toBe(8);
    expectRefusal(await ask(one.client), 'requests of this key');
    expect((await ask(two.client)).status).toBe(200);
    expect((await ask(owner)).status).toBe(200);
  });
});

describe('an organization', () => {
  const server = useServer({ env: { RATE_LIMIT_ORGANIZATION: '60', RATE_LIMIT_PERSON: '50' } });

  test('at its limit stops its own people, and neither refuses nor slows another', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const elsewhere = await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
    const ask = (client: Client) => client('{ repositories { nodes { name } } }');
    const times = async (): Promise<number> => {
      const began = performance.now();
      for (let each = 0; each < 15; each += 1) expect((await ask(globex.viewer)).status).toBe(200);
      return performance.now() - began;
    };
    const before = await times();
    await answeredBefore429(100, () => ask(acme.viewer));
    await answeredBefore429(100, () => ask(acme.developer));
    expectRefusal(await ask(acme.owner), 'requests of this organization');
    let isOver = false;
    const hog = async () => {
      while (!isOver) expectRefusal(await ask(acme.admin));
    };
    const hogs = [hog(), hog()];
    const during = await times();
    isOver = true;
    await Promise.all(hogs);
    // Three now share what one had; a queue behind the limit would cost seconds.
    expect(during).toBeLessThan(before * 6 + 500);
    expect((await ask(elsewhere)).status).toBe(200);
  });

  test('one person cannot use up what it has', async () => {
    const acme = await givenOrganization(server);
    await answeredBefore429(200, () => acme.viewer(WHO));
    for (let each = 0; each < 100; each += 1) await acme.viewer('{ currentOrganization { id } }');
    expect((await acme.owner('{ currentOrganization { id } }')).status).toBe(200);
  });
});

describe('an address', () => {
  const server = useServer({ env: { RATE_LIMIT_ADDRESS: '5', RATE_LIMIT_SIGN_IN: '2', TRUST_PROXY: '127.0.0.1' } });
  const from = (address: string, path = '/graphql?query={__typename}') =>
    fetch(`${server.url}${path}`, { headers: { 'x-forwarded-for': address, 'apollo-require-preflight': '1' } });

  test('is refused before anything is read of a request, also where there is no such path', async () => {
    for (const path of ['/graphql?query={__typename}', '/graphql', '/canary', '/graphql', '/canary']) {
      expect((await from('192.0.2.1', path)).status).not.toBe(429);
    }
    const statements = server.statements.length;
    for (const path of ['/graphql?query={__typename}', '/canary']) {
      const refused = await from('192.0.2.1', path);
      expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([429, true]);
      expect(await refused.json()).toEqual({
        errors: [
          {
            message: expect.stringMatching(/^More than 5 requests from this address in a minute/),
            extensions: { ...REFUSED, retryAfter: expect.any(Number), requestId: expect.any(String) },
          },
        ],
      });
    }
    expect(server.statements).toHaveLength(statements);
    expect((await from('192.0.2.2')).status).toBe(200);
  });

  test('of IPv6 is the network that one party is given', async () => {
    for (let host = 1; host <= 5; host += 1) expect((await from(`2001:db8:0:7::${host}`)).status).toBe(200);
    expect((await from('2001:0db8::7:ffff:0:0:9')).status).toBe(429);
    expect((await from('2001:db8:0:8::1')).status).toBe(200);
  });

  test('does not count what watches over the process', async () => {
    for (let each = 0; each < 12; each += 1) expect((await from('192.0.2.3', '/livez')).status).toBe(200);
    expect((await from('192.0.2.3', '/readyz')).status).toBe(200);
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:7:1:2:3:4', '2001:db8:0:7::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s is counted as %s', (ip, network) => expect(networkOf(ip)).toBe(network));
});

describe('what is dearer than a request', () => {
  const server = useServer({ env: { RATE_LIMIT_SWITCHING: '6', RATE_LIMIT_INVITATION: '4' } });

  test('switching: each time it is asked for counts, by alias and through fragments, and is refused whole', async () => {
    const { id, owner } = await givenOrganization(server);
    const many = `mutation ($id: ID!) {
      a: switchOrganization(organizationId: $id) { token }
      ...Others
      ... on Mutation { d: switchOrganization(organizationId: $id) { token } }
    }
    fragment Others on Mutation {
      b: switchOrganization(organizationId: $id) { token }
      c: switchOrganization(organizationId: $id) { token }
    }`;
    expect((await owner(many, { id })).errors).toEqual([]);
    expectRefusal(await owner(many, { id }));
    expectRefusal(await owner(SWITCH, { id }), 'switches of this person between organizations');
    expect((await owner(WHO)).status).toBe(200);
  });

  test('new organizations: of a person, and of all who ask from one address', async () => {
    const server = await startServer({ env: { RATE_LIMIT_CREATION: '6' } });
    const CREATE = 'mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { __typename } }';
    const create = (client: Client) => client(CREATE, { input: { name: 'New', slug: unique('new') } });
    try {
      const { owner, viewer } = await givenOrganization(server); // the first of six
      for (let times = 0; times < 5; times += 1) expect((await create(owner)).errors).toEqual([]);
      expectRefusal(await create(owner));
      // Whoever signs up again comes from the same address.
      expectRefusal(await create(viewer), 'new organizations of this person or from this address');
      expect((await owner(WHO)).status).toBe(200);
    } finally {
      await server.close();
    }
  });

  test('invitations: of a person, and of all its people together for an organization', async () => {
    const acme = await givenOrganization(server);
    const invite = (client: Client) => client(INVITE, { email: `${unique('new')}@acme.example` });
    expect(await answeredBefore429(10, () => invite(acme.admin))).toBe(4);
    expectRefusal(await invite(acme.owner), 'invitations of this person or organization');
    const { data } = await acme.owner('{ members(status: INVITED) { totalCount } }');
    expect(data.members.totalCount).toBe(4);
  });

  test('who may not invite uses up nothing of the organization, nor a key what is its owner’s', async () => {
    const acme = await givenOrganization(server);
    const key = await givenKey(server, acme.admin, ['member:invite']);
    for (const client of [acme.viewer, acme.developer, key.client]) {
      const invite = () => client(INVITE, { email: `${unique('new')}@acme.example` });
      for (let times = 0; times < 4; times += 1) expect(codeOf(await invite())).toBe('FORBIDDEN');
      expectRefusal(await invite());
    }
    const { errors } = await acme.admin(INVITE, { email: `${unique('new')}@acme.example` });
    expect(errors).toEqual([]);
  });
});

describe('whatever takes a secret and nothing beside, as who guesses', () => {
  const fields = Object.values(createContract().schema.getMutationType()?.getFields() ?? {})
    .filter(({ args }) => args.length === 1 && args[0]?.name === 'secret')
    .map(({ name }) => name);

  test.each(fields)('%s: is limited of a person and of an address, whoever asks from there', async (field) => {
    const server = await startServer({ env: { RATE_LIMIT_ACCEPTANCE: '3' } });
    try {
      const [ann, bob] = [await server.as(`${unique('ann')}@x.example`), await server.as(`${unique('bob')}@x.example`)];
      const guess = (client: Client) =>
        client(`mutation ($secret: String!) { ${field}(secret: $secret) { __typename } }`, { secret: unique('guess') });
      expect(await answeredBefore429(10, () => guess(ann))).toBe(3);
      expectRefusal(await guess(bob), 'answers to invitations of this person or from this address');
      expect((await bob(WHO)).status).toBe(200);
    } finally {
      await server.close();
    }
  });
});

describe('signing in', () => {
  const server = useServer({ env: { RATE_LIMIT_SIGN_IN: '4', RATE_LIMIT_ACCEPTANCE: '2' } });

  test('is limited of an address, however its path is spelt; tokens and everything else are not', async () => {
    const get = async (path: string) => (await raw(`${server.url}${path}`)).status;
    for (const path of ['/auth', '/auth/acme', '/%61uth/acme', '/auth/oidc/idp_0/callback?state=x']) {
      expect([path, await get(path)]).not.toEqual([path, 429]);
    }
    for (const path of ['/auth', '/auth/globex', '/%61uth/acme', '/auth/start/idp_0', '/auth/oidc/idp_0/callback']) {
      expect([path, await get(path)]).toEqual([path, 429]);
    }
    const renewed = await raw(`${server.url}/auth/token`, {
      headers: { 'content-type': 'application/json' },
      body: '{"grant_type":"refresh_token","refresh_token":"x"}',
    });
    expect(renewed.status).toBe(401);
    expect((await (await server.as(`${unique('ann')}@x.example`))(WHO)).status).toBe(200);
  });

  test('and so are the pages of invitations', async () => {
    const statuses = [];
    for (const path of ['/invitations/guess', '/invitations/another', '/invitations/third', '/%69nvitations/fourth']) {
      statuses.push((await raw(`${server.url}${path}`)).status);
    }
    expect(statuses).toEqual([404, 404, 429, 429]);
  });
});

test('off does not limit', async () => {
  const server = await startServer({ env: { RATE_LIMIT_PERSON: 'off', RATE_LIMIT_ADDRESS: 'off' } });
  const ann = await server.as(`${unique('ann')}@acme.example`);
  expect(await answeredBefore429(30, () => ann(WHO))).toBe(30);
  await server.close();
});
