import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ATTACKED_PROVIDER, ATTACKS, type Shot } from '../../../bench/attack/attacks.mjs';
import { newId } from '../../../src/data/id.js';
import { ERROR_CODES } from '../../../src/errors.js';
import { givenCertifiedKey } from '../../support/certificate.js';
import { givenOrganization, type GivenOrganization, personId, unique } from '../../support/given.js';
import { PRODUCTION } from '../../support/production.js';
import { raw, rawBytes } from '../../support/raw.js';
import { codeOf, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

// What `npm run attack` sends without end, each kind once: whatever it is, it is refused or answered in order, and the next
// request is answered.

const server = useServer({ env: PRODUCTION });

let organization: GivenOrganization;
beforeAll(async () => {
  organization = await givenOrganization(server);
  await server.database.organizationDb(organization.id, byTest).identityProvider.create({
    id: ATTACKED_PROVIDER,
    name: 'Attacked',
    kind: 'SAML',
    issuer: 'https://idp.example/saml',
    signInUrl: 'https://idp.example/sso',
    certificates: [givenCertifiedKey().certificate.replaceAll(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '')],
    defaultRole: 'VIEWER',
  });
});

/** Of the closed set, and not our own fault. */
const isOrderly = (code: unknown): boolean =>
  code !== 'INTERNAL_SERVER_ERROR' && ERROR_CODES.some((each) => each === code);

interface Outcome {
  readonly status: number;
  readonly text: string;
}

async function send({ bytes, path = '/graphql', ...shot }: Shot, token: string | null): Promise<Outcome> {
  if (bytes !== undefined) {
    const answer = await rawBytes(server.url, bytes);
    const [head = '', text = ''] = answer.split('\r\n\r\n');
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]), text };
  }
  const headers = { ...(token !== null && { authorization: `Bearer ${token}` }), ...shot.headers };
  const answer = await raw(`${server.url}${path}`, { ...shot, headers });
  const { location } = answer.headers;
  return shot.follow && location !== undefined ? send(shot.follow(location), token) : answer;
}

/** The codes of an answer in GraphQL's shape; none of a page, or of what SCIM says. */
function codesOf({ text }: Outcome): unknown[] {
  if (!text.startsWith('{') || text.includes('urn:ietf:params:scim')) return [];
  const { errors = [] } = JSON.parse(text) as { errors?: { extensions?: { code?: unknown } }[] };
  return errors.map(({ extensions }) => extensions?.code);
}

async function expectServed(): Promise<void> {
  const { status, data } = await server.post('{"query":"{ __typename }"}');
  expect([status, data]).toEqual([200, { __typename: 'Query' }]);
}

/** More than anyone may be sent. */
const MOST_BYTES = 32 * 1024 * 1024;
let number = 0;

const inOrder = ATTACKS.filter(({ holds }) => !holds);
test.each(inOrder.map((attack) => [attack.name, attack] as const))('%s', async (name, attack) => {
  const logged = server.logs.length;
  // A hundred runs, each with as much as a run may hold.
  if (name === 'run-inputs') await giveLargeRuns(organization);
  for (const who of attack.by) {
    for (let variant = 0; variant < (attack.variants ?? 1); variant += 1) {
      const shots = attack.make((number += 1));
      // Those that are sent several at a time are alike.
      for (const shot of new Set(shots)) {
        const outcome = await send(shot, who === 'viewer' ? organization.viewer.token : null);
        expect(outcome.text.length).toBeLessThan(MOST_BYTES);
        const codes = codesOf(outcome);
        const seen = { who, shot: head(shot), status: outcome.status, codes };
        expect({ ...seen, isOrderly: outcome.status >= 200 && outcome.status < 500 && codes.every(isOrderly) }).toEqual(
          {
            ...seen,
            isOrderly: true,
          },
        );
        const isRefused = outcome.status >= 400 || codes.length > 0;
        expect({ ...seen, isRefused }).toEqual({ ...seen, isRefused: attack.refused || isRefused });
      }
    }
  }
  await expectServed();
  expect(server.logs.slice(logged).filter((line) => line.includes('unexpected error'))).toEqual([]);
});

const head = ({ path, body, bytes }: Shot): string => String(body ?? path ?? bytes).slice(0, 200);

async function giveLargeRuns({ id, repositoryId, agentId, owner }: GivenOrganization): Promise<void> {
  const createdById = await personId(owner);
  const db = server.database.organizationDb(id, byTest);
  for (let count = 0; count < 100; count += 1) {
    await db.run.create({ id: newId('run'), agentId, repositoryId, createdById, input: { text: 'x'.repeat(65_000) } });
  }
}

const holding = ATTACKS.filter(({ holds }) => holds);
test.each(holding.map((attack) => [attack.name, attack] as const))('%s keep nobody waiting', async (_, attack) => {
  const { hostname, port } = new URL(server.url);
  const sockets = Array.from({ length: 50 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    for (const { drip } of attack.make((number += 1))) if (drip) socket.write(drip);
    return socket;
  });
  try {
    for (const socket of sockets)
      if (socket.connecting) await new Promise((resolve) => socket.once('connect', resolve));
    await expectServed();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

describe('an operation that is not there', () => {
  const names = { 'another name': 'nope', 'an empty name': '' };
  const create = (name: string) =>
    `createRepository(input: { name: "${name}", gitUrl: "https://git.example/a.git" }) { id }`;

  /** What there is to be found afterwards, whatever the answer was. */
  async function expectNothingRan(name: string, before: number): Promise<void> {
    // Nothing was asked of the organization, and nothing is there.
    expect(server.statements.slice(before).filter(({ frame }) => frame.role === 'orgate_app')).toEqual([]);
    const { data } = await organization.owner('{ repositories(first: 100) { nodes { name } } }');
    expect(data.repositories.nodes.map((each: { name: string }) => each.name)).not.toContain(name);
  }

  const headers = () => ({ authorization: `Bearer ${organization.owner.token}` });
  const post = (body: object) => server.post(JSON.stringify(body), headers());

  test.each(Object.entries(names))('%s, by POST', async (_, operationName) => {
    const name = unique('made');
    for (const query of [`mutation M { ${create(name)} }`, `mutation { ${create(name)} }`]) {
      const before = server.statements.length;
      const answer = await post({ query, operationName });
      await expectNothingRan(name, before);
      expect([answer.status, codeOf(answer)]).toEqual([expect.any(Number), 'OPERATION_RESOLUTION_FAILURE']);
      expect(answer.status).toBeLessThan(500);
    }
  });

  test.each(Object.entries(names))('%s, by GET', async (_, operationName) => {
    const name = unique('made');
    for (const query of [`mutation M { ${create(name)} }`, 'query Q { repositories { nodes { id } } }']) {
      const before = server.statements.length;
      const parameters = new URLSearchParams({ query, operationName });
      const answer = await raw(`${server.url}/graphql?${parameters.toString()}`, {
        headers: { ...headers(), 'apollo-require-preflight': 'true' },
      });
      await expectNothingRan(name, before);
      expect(answer.status).toBeLessThan(500);
      expect(codesOf(answer)).toEqual(['OPERATION_RESOLUTION_FAILURE']);
    }
  });

  test.each([
    ['no name', {}],
    ['null', { operationName: null }],
    ['an empty name', { operationName: '' }],
    ['another name', { operationName: 'nope' }],
    ['the name of a fragment', { operationName: 'F' }],
  ])('%s, where there are several', async (_, more) => {
    const name = unique('made');
    const before = server.statements.length;
    const query = `mutation M { ...F } query Q { __typename } fragment F on Mutation { ${create(name)} }`;
    const answer = await post({ query, ...more });
    await expectNothingRan(name, before);
    expect(answer.status).toBeLessThan(500);
    expect(codeOf(answer)).toBe('OPERATION_RESOLUTION_FAILURE');
  });

  test.each([[7], [true], [{}], [['M']]])('%j for a name', async (operationName) => {
    const name = unique('made');
    const before = server.statements.length;
    const answer = await post({ query: `mutation M { ${create(name)} }`, operationName });
    await expectNothingRan(name, before);
    expect([answer.status, codeOf(answer)]).toEqual([400, 'BAD_REQUEST']);
  });

  test('one that is there runs', async () => {
    const name = unique('made');
    const query = `mutation M { ${create(name)} } query Q { __typename }`;
    expect((await post({ query, operationName: 'M' })).errors).toEqual([]);
    const { data } = await organization.owner('{ repositories(first: 100) { nodes { name } } }');
    expect(data.repositories.nodes).toContainEqual({ name });
  });
});
