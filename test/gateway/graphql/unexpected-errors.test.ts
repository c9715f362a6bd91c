import { expect, test } from '@jest/globals';
import { ClientLeftError } from '../../../src/data/connection/client-left.js';
import { NoTurnError } from '../../../src/data/connection/statement-kinds.js';
import { translateDatabaseError } from '../../../src/data/database-error.js';
import type { Database } from '../../../src/data/database.js';
import { OrgateError } from '../../../src/errors.js';
import { openRegistry } from '../../../src/identity/registry.js';
import { openScimDirectories } from '../../../src/identity/scim-directories.js';
import { givenOrganization, unique } from '../../support/given.js';
import { withOutside } from '../../support/outside.js';
import { givenDirectory } from '../../support/scim.js';
import { type Answer, codeOf, unchecked, useServer } from '../../support/server.js';

/** What breaks, when a test says so: a bug or a database that says something nobody foresaw. */
const broken: { directory?: Error; statement?: Error | (() => Error) } = {};

const DETAIL =
  'duplicate key value violates "run_pkey" in insert into "run" at /srv/orgate/data.js:7 for secret-c4n4ry';

/** The real database, but for the moments in which a test lets it break. */
const breakable = (database: Database): Database => ({
  ...database,
  outside: withOutside(
    withOutside(database.outside, openRegistry, (directory) => ({
      ...directory,
      findPerson: (...args) => {
        if (broken.directory) throw broken.directory;
        return directory.findPerson(...args);
      },
    })),
    openScimDirectories,
    (directories) => ({
      ...directories,
      find: (...args) => {
        if (broken.directory) throw broken.directory;
        return directories.find(...args);
      },
    }),
  ),
  organizationDb: (...args) => {
    const db = database.organizationDb(...args);
    const { run } = db;
    const list: typeof run.list = (query) =>
      'statement' in broken
        ? Promise.reject(typeof broken.statement === 'function' ? broken.statement() : broken.statement)
        : run.list(query);
    return Object.create(db, { run: { value: { ...run, list } } }) as typeof db;
  },
});

const server = useServer({ wrap: breakable });

async function whileBroken<T>(what: typeof broken, work: () => Promise<T>): Promise<T> {
  Object.assign(broken, what);
  try {
    return await work();
  } finally {
    delete broken.directory;
    delete broken.statement;
  }
}

const UNEXPECTED = {
  message: 'Something went wrong on our side; the request id finds it in our logs.',
  extensions: { code: 'INTERNAL_SERVER_ERROR', requestId: expect.stringMatching(/^[\w-]{36}$/) },
};

const logOf = (answer: Answer): string =>
  server.logs.filter((line) => line.includes(String(answer.errors[0]?.extensions['requestId']))).join('\n');

test('a fault in a resolver: the field is null, the rest answers, and only the log knows why', async () => {
  const { owner, slug } = await givenOrganization(server);
  const answer = await whileBroken({ statement: new Error(DETAIL) }, () =>
    owner('{ currentOrganization { slug } runs { totalCount nodes { id } } }'),
  );
  expect(answer.status).toBe(200);
  expect(answer.data).toEqual({ currentOrganization: { slug }, runs: null });
  expect(answer.errors).toEqual([{ ...UNEXPECTED, path: ['runs'], locations: [expect.anything()] }]);
  expect(logOf(answer)).toContain('secret-c4n4ry');
});

const NAMES = Array.from({ length: 28 }, (_, index) => `a${index}`);

test.each<[string, (index: number) => unknown, string, number]>([
  ['what waited in vain', () => translateDatabaseError(new NoTurnError()), 'busy', 1],
  ['what there was no room for', () => new OrgateError('SERVICE_UNAVAILABLE'), 'busy', 1],
  ['whose client left', () => new ClientLeftError(), 'none', 0],
  ['one fault', () => new Error(DETAIL), 'unexpected error', 1],
  ['faults', (index) => new Error(`${DETAIL} ${index}`), 'unexpected error', 3],
  ['a database out of reach', (index) => away(index), 'unexpected error', 3],
])('%s, met by 28 fields, fills no log', async (_, make, msg, lines) => {
  const { owner } = await givenOrganization(server);
  let index = 0;
  const answer = await whileBroken({ statement: () => make((index += 1)) as Error }, () =>
    owner(unchecked(`{ ${NAMES.map((name) => `${name}: runs { nodes { id } }`).join(' ')} }`)),
  );
  expect(answer.errors).toHaveLength(NAMES.length);
  const told = logOf(answer)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ level }) => Number(level) > 30);
  expect(told.map((line) => line['msg'])).toEqual(Array.from({ length: lines }, () => msg));
  expect(told.filter((line) => JSON.stringify(line).includes('"stack"'))).toHaveLength(msg === 'busy' ? 0 : lines);
});

const away = (index: number): unknown =>
  translateDatabaseError(Object.assign(new Error(`connect ${index}`), { code: 'ECONNREFUSED' }));

test('a fault before any resolver is a 500 in the same shape', async () => {
  const { owner } = await givenOrganization(server);
  const answer = await whileBroken({ directory: new Error(DETAIL) }, () => owner('{ viewer { role } }'));
  expect(answer.status).toBe(500);
  expect(JSON.parse(answer.text)).toEqual({ errors: [UNEXPECTED] });
  expect(logOf(answer)).toContain('secret-c4n4ry');
});

test('a fault stands in the log with the id of our own and what its client calls the request, at every door', async () => {
  const acme = await givenOrganization(server);
  const { token } = acme.owner;
  const directory = await givenDirectory(server, acme);
  const asked = [
    ['/graphql?query={runs{totalCount}}', token, 'statement'],
    ['/graphql?query={viewer{role}}', token, 'directory'],
    [`/organizations/${acme.slug}/audit`, token, 'directory'],
    ['/scim/v2/Users', directory.token, 'directory'],
  ] as const;
  for (const [path, bearer, what] of asked) {
    const clientRequestId = unique('theirs');
    const headers = { authorization: `Bearer ${bearer}`, 'x-request-id': clientRequestId };
    const answer = await whileBroken({ [what]: new Error(DETAIL) }, () => fetch(server.url + path, { headers }));
    await answer.text();
    const requestId = answer.headers.get('x-request-id');
    const told = server.logs.filter((line) => line.includes(`"${requestId}"`) && line.includes('unexpected error'));
    expect([path, told.map((line) => JSON.parse(line))]).toEqual([
      path,
      [expect.objectContaining({ requestId, clientRequestId })],
    ]);
  }
});

test.each<[string, unknown]>([
  [
    'with a status and headers of its own',
    Object.assign(new Error(DETAIL), { statusCode: 418, headers: { x: DETAIL } }),
  ],
  ['with extensions of its own', Object.assign(new Error(DETAIL), { extensions: { code: 'CONFLICT', sql: DETAIL } })],
  ['with a code that is ours', Object.assign(new Error(DETAIL), { code: 'CONFLICT', detail: { argument: DETAIL } })],
  ['that is text', DETAIL],
  ['that is nothing', undefined],
])('an error %s is no less unexpected', async (_, thrown) => {
  const { owner } = await givenOrganization(server);
  const answer = await whileBroken({ statement: thrown as Error }, () => owner('{ runs { nodes { id } } }'));
  if (thrown !== undefined) expect(codeOf(answer)).toBe('INTERNAL_SERVER_ERROR');
  expect(answer.text).not.toMatch(/c4n4ry|insert into|run_pkey|\/srv|CONFLICT/);
});

test('the connection to the database breaks: SERVICE_UNAVAILABLE, to be tried again', async () => {
  const { owner } = await givenOrganization(server);
  for (const error of [
    Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' }),
    Object.assign(new Error('Connection terminated unexpectedly')),
    Object.assign(new Error('terminating connection due to administrator command'), { code: '57P01' }),
    Object.assign(new Error('sorry, too many clients already'), { code: '53300' }),
    Object.assign(new Error('could not extend a file: No space left on device'), { code: '53100' }),
    Object.assign(new Error('out of memory'), { code: '53200' }),
  ]) {
    const answer = await whileBroken({ directory: translateDatabaseError(error) as Error }, () =>
      owner('{ viewer { role } }'),
    );
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(codeOf(answer)).toBe('SERVICE_UNAVAILABLE');
    expect(answer.text).not.toMatch(/10\.0\.0\.7|clients|terminat|extend|memory/);
    expect(logOf(answer)).toContain(error.message);
  }
});

test('whatever the database refuses, no answer has a statement, a table, a constraint or a stack in it', async () => {
  const { developer, owner, repositoryId, agentId, slug } = await givenOrganization(server);
  const attempts: [typeof owner, string][] = [
    [
      developer,
      'mutation { createRepository(input: { name: "support-bots", gitUrl: "https://git.example/x" }) { id } }',
    ],
    [developer, `mutation { createAgent(input: { name: "CustomerSupport", repositoryId: "${repositoryId}" }) { id } }`],
    [developer, 'mutation { createAgent(input: { name: "Other", repositoryId: "rep_none" }) { id } }'],
    [developer, `mutation { updateAgent(input: { id: "${agentId}", repositoryId: "rep_none" }) { id } }`],
    [owner, `mutation { createOrganization(input: { name: "Again", slug: "${slug}" }) { id } }`],
    [owner, `mutation { updateOrganization(input: { slug: "${(await givenOrganization(server)).slug}" }) { id } }`],
    [owner, '{ runs(filter: { createdFrom: "0000-01-01T00:00:00Z" }) { totalCount } }'],
    [owner, '{ runs(filter: { createdFrom: "0001-01-01T00:00:00Z" }) { totalCount } }'],
    [owner, '{ runs(filter: { createdBefore: "9999-12-31T23:59:59Z" }) { totalCount } }'],
    [owner, '{ runs(filter: { createdBefore: "9999-12-31T23:59:59-14:00" }) { totalCount } }'],
    [owner, `{ runs(first: 1, after: "${Buffer.from('["a","b","c"]').toString('base64url')}") { totalCount } }`],
    [owner, `{ repository(id: "${'x'.repeat(9999)}") { id } }`],
    [developer, `mutation { startRun(input: { agentId: "${agentId}", input: { n: 1e308 } }) { id } }`],
    [developer, `mutation { recordRunProgress(id: "run_none", input: { totalTokens: 9007199254740991 }) { id } }`],
  ];
  for (const [client, query] of attempts) {
    const { text, status } = await client(query);
    expect(status).toBe(200);
    expect(text).not.toMatch(
      /select |insert |update "|_key\b|_pkey|_fkey|constraint|prisma|P20\d\d|SQLSTATE|node_modules|\.ts:\d|\.js:\d|INTERNAL/i,
    );
  }
});

test('what the tests above break is whole again', async () => {
  const { owner } = await givenOrganization(server, unique('whole'));
  expect((await owner('{ runs { totalCount nodes { id } } }')).errors).toEqual([]);
});
