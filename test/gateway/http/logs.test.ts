import { expect, test } from '@jest/globals';
import { givenMember, givenOrganization, givenTwoOrganizations, personId, unique } from '../../support/given.js';
import { givenDirectory } from '../../support/scim.js';
import { type Answer, startServer, unchecked, useServer } from '../../support/server.js';
import { until } from '../../support/until.js';

const server = useServer({ env: { LOG_LEVEL: 'trace' } });

type Line = Record<string, unknown>;

/** The line of the request behind an answer. It is written once the answer is out, so it may come a moment later. */
async function lineOf(answer: Answer, { logs } = server): Promise<Line> {
  const id = answer.headers.get('x-request-id');
  for (;;) {
    const lines = logs.map((line) => JSON.parse(line) as Line).filter((line) => line['requestId'] === id);
    const found = lines.filter((line) => line['msg'] === 'graphql');
    if (found[0]) return found[0];
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('one line says who asked, for which organization and what told it, what was asked by name, and how it went', async () => {
  const { owner, id } = await givenOrganization(server);
  const line = await lineOf(await owner('query ListThem { repositories { totalCount } }'));
  expect(line).toMatchObject({
    level: 30,
    operationName: 'ListThem',
    operationType: 'query',
    organization: id,
    organizationSource: 'TOKEN',
    viewer: await personId(owner),
    status: 200,
    durationMs: expect.any(Number),
  });
  expect(line).not.toHaveProperty('codes');
});

test('the source of the organization is told, each as it is', async () => {
  const { acme, globex } = await givenTwoOrganizations(server);
  await givenMember(server, globex, 'VIEWER', { email: acme.owner.email });
  const ask = async (client: typeof acme.owner, headers = {}) => {
    const line = await lineOf(await client('{ viewer { role } }', {}, headers));
    return [line['organization'], line['organizationSource']];
  };
  const anywhere = await server.as(acme.owner.email);
  expect(await ask(acme.owner)).toEqual([acme.id, 'TOKEN']);
  expect(await ask(acme.owner, { 'x-tenant-id': globex.slug })).toEqual([globex.id, 'HEADER']);
  expect(await ask(anywhere)).toEqual([undefined, undefined]);
  await anywhere('mutation ($to: ID!) { setDefaultOrganization(organizationId: $to) { role } }', { to: acme.id });
  expect(await ask(anywhere)).toEqual([acme.id, 'DEFAULT']);
  expect(await ask(await server.as(acme.admin.email))).toEqual([acme.id, 'SOLE_MEMBERSHIP']);
});

test('the codes of what went wrong are in the line, each once', async () => {
  const { viewer } = await givenOrganization(server);
  const twice = await viewer('mutation { a: cancelRun(id: "x") { id } b: cancelRun(id: "y") { id } }');
  expect((await lineOf(twice))['codes']).toEqual(['FORBIDDEN']);
  const nobody = await server.post('{"query":"{ viewer { role } }"}');
  expect(await lineOf(nobody)).toMatchObject({ codes: ['UNAUTHENTICATED'], status: 200 });
  const forged = await server.withToken('a.b.c')('{ viewer { role } }');
  expect(await lineOf(forged)).toMatchObject({ codes: ['UNAUTHENTICATED'], status: 401 });
  const refused = await viewer('{ viewer { role } }', {}, { 'x-organization-id': 'nobody' });
  expect((await lineOf(refused))['codes']).toEqual(['NOT_FOUND']);
  const invalid = await viewer(unchecked('{ nothing }'));
  expect((await lineOf(invalid))['codes']).toEqual(['GRAPHQL_VALIDATION_FAILED']);
});

test('whoever asked too often is in the line with the limit that said so', async () => {
  const strict = await startServer({ env: { RATE_LIMIT_PERSON: '1' } });
  try {
    const ann = await strict.as(`${unique('ann')}@acme.example`);
    expect(await lineOf(await ann('{ __typename }'), strict)).not.toHaveProperty('refusedBy');
    const line = await lineOf(await ann('{ __typename }'), strict);
    expect(line).toMatchObject({ status: 429, codes: ['RATE_LIMITED'], refusedBy: 'person' });
  } finally {
    await strict.close();
  }
});

test('no log line holds a variable, a literal, a token or what was answered', async () => {
  const { owner, slug, runId } = await givenOrganization(server);
  const secret = 'c4n4ry';
  const before = server.logs.length;
  const answers = [
    await owner('query Find($name: String) { agent(name: $name) { id } }', { name: secret }),
    await owner('query Wrong($first: Int) { runs(first: $first) { totalCount } }', { first: secret }),
    await owner(unchecked(`{ agent(name: "${secret}") { id } }`)),
    await owner(unchecked(`{ agent(name: "${secret}`)),
    await owner(unchecked(`query { ${secret} }`)),
    await owner('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', {
      input: { email: `${secret}@acme.example`, name: secret, role: 'VIEWER' },
    }),
    await owner(
      'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { output } }',
      {
        id: runId,
        input: { output: { secret }, error: secret },
      },
    ),
    await owner('{ viewer { role } }', {}, { 'x-organization-id': secret }),
    await owner('{ viewer { role } }', {}, { authorization: `Bearer ${secret}.${secret}.${secret}` }),
    await owner('{ viewer { role } }', {}, { cookie: `session=${secret}`, 'x-api-key': secret }),
    await server.post(`{"query": "{ __typename }", "variables": "${secret}"}`),
  ];
  await server.post(`{"query": "${secret}`);
  const line = await lineOf(answers.at(0) as Answer);
  for (const answer of answers) await lineOf(answer);
  const said = server.logs.slice(before).join('\n');
  expect(said).not.toContain(secret);
  expect(said).not.toContain(owner.token.split('.')[2]);
  expect(said).not.toContain(`canary of ${slug}`);
  expect(line['operationName']).toBe('Find');
});

test('an operation name that is a novel is cut short', async () => {
  const { owner } = await givenOrganization(server);
  const name = `n${'o'.repeat(3000)}vel`;
  const line = await lineOf(await owner(`query ${name} { viewer { role } }`));
  expect(String(line['operationName']).length).toBeLessThanOrEqual(200);
});

test('an operation without a name is told apart by its root fields, each once; by nothing that a client made up', async () => {
  const { owner } = await givenOrganization(server);
  const line = await lineOf(
    await owner(
      '{ m4de: viewer { role } ...F ... { agents { totalCount } } } fragment F on Query { viewer { role } runs { totalCount } }',
    ),
  );
  expect(line).toMatchObject({ operationType: 'query', rootFields: ['agents', 'runs', 'viewer'] });
  expect(line).not.toHaveProperty('operationName');
  expect(JSON.stringify(line)).not.toContain('m4de');
  expect(await lineOf(await owner('query Named { viewer { role } }'))).not.toHaveProperty('rootFields');
  expect(await lineOf(await owner(unchecked('{ nothing }')))).not.toHaveProperty('rootFields');
});

test('other paths are not logged at every request: probes come every second', async () => {
  const before = server.logs.length;
  for (const path of ['/livez', '/readyz', '/nothing']) await fetch(server.url + path);
  expect(server.logs.slice(before).filter((line) => line.includes('"level":30'))).toEqual([]);
});

test('every line of a request, whichever door it came in at, holds what its client calls it', async () => {
  const acme = await givenOrganization(server);
  const { token } = acme.owner;
  const directory = await givenDirectory(server, acme);
  const { data } = await acme.owner('mutation { exportOrganization { url } }');
  const asked = [
    ['graphql', '/graphql?query={viewer{role}}', token],
    ['audit', `/organizations/${acme.slug}/audit`, token],
    ['export', new URL(String(data.exportOrganization?.url)).pathname, token],
    ['scim', '/scim/v2/Users', directory.token],
    ['sign-in failed', '/auth/saml/idp_none/acs', null],
  ] as const;
  for (const [door, path, bearer] of asked) {
    const clientRequestId = unique('theirs');
    const headers = { 'x-request-id': clientRequestId, ...(bearer && { authorization: `Bearer ${bearer}` }) };
    const init = bearer ? {} : { method: 'POST', body: new URLSearchParams({ SAMLResponse: 'x' }) };
    const answer = await fetch(server.url + path, { headers, ...init });
    await answer.text();
    const requestId = answer.headers.get('x-request-id');
    const lines = () =>
      server.logs.map((line) => JSON.parse(line) as Line).filter((line) => line['requestId'] === requestId);
    await until(() => lines().some(({ msg }) => msg === door));
    expect([door, lines().filter((line) => line['clientRequestId'] !== clientRequestId)]).toEqual([door, []]);
    if (bearer) expect([door, lines().some(({ stream }) => stream === 'routing')]).toEqual([door, true]);
  }
});
