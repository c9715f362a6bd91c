import { connect, type Socket } from 'node:net';
import { expect, test } from '@jest/globals';
import { ReadBound } from '../../../src/data/connection/read-bound.js';
import { newId } from '../../../src/data/id.js';
import { sizeOf } from '../../../src/gateway/graphql/bound-answer.js';
import { givenOrganization, type GivenOrganization, personId } from '../../support/given.js';
import { codeOf, startServer, type TestServer, useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

const server = useServer({ env: { ANSWER_MAX_CHARACTERS: '1000000' } });

/** Runs whose inputs are as large as they may be. */
async function givenLargeRuns(
  organization: GivenOrganization,
  count: number,
  at: TestServer = server,
  text = 'x'.repeat(60_000),
): Promise<void> {
  const { id, agentId, repositoryId, owner } = organization;
  const createdById = await personId(owner);
  const db = at.database.organizationDb(id, byTest);
  for (let index = 0; index < count; index += 1) {
    await db.run.create({ id: newId('run'), agentId, repositoryId, createdById, input: { text } });
  }
}

test('an answer has a greatest size, however often it says the same', async () => {
  const acme = await givenOrganization(server);
  await givenLargeRuns(acme, 10);
  expect((await acme.viewer('{ runs(first: 10) { nodes { input } } }')).data.runs.nodes).toHaveLength(10);
  const names = Array.from({ length: 29 }, (_, index) => `a${index}: input`).join(' ');
  const refused = await acme.viewer(`{ runs(first: 10) { nodes { ${names} } } }`);
  expect([codeOf(refused), refused.data]).toEqual(['QUERY_TOO_EXPENSIVE', null]);
  expect(refused.errors[0]?.message).toMatch(/larger than 1000000 characters; ask for fewer/);
});

test('errors are part of an answer, and so is each name in the path of each', async () => {
  const acme = await givenOrganization(server);
  await givenLargeRuns(acme, 10);
  const name = 'a'.repeat(40_000);
  const leaf = (alias: string) => `${alias}: repository { runs(after: "x") { totalCount } }`;
  const few = await acme.viewer(`{ ${name}: runs(first: 10) { nodes { ${leaf('one')} } } }`);
  expect(few.errors).toHaveLength(10);
  const leaves = Array.from({ length: 5 }, (_, index) => leaf(`a${index}`)).join(' ');
  const refused = await acme.viewer(`{ ${name}: runs(first: 10) { nodes { ${leaves} } } }`);
  expect(refused.errors.map(({ extensions }) => extensions['code'])).toEqual(['QUERY_TOO_EXPENSIVE']);
  expect(refused.data).toBeNull();
});

test('a mutation whose answer is too large was carried out, and says so', async () => {
  const acme = await givenOrganization(server);
  await givenLargeRuns(acme, 10);
  const names = Array.from({ length: 29 }, (_, index) => `a${index}: input`).join(' ');
  const answer = await acme.owner(
    `mutation { updateOrganization(input: { description: "carried out" }) { repositories(first: 1) { nodes { runs(first: 10) { nodes { ${names} } } } } } }`,
  );
  expect(codeOf(answer)).toBe('QUERY_TOO_EXPENSIVE');
  expect(answer.errors[0]?.message).toMatch(/The mutation was carried out\.$/);
  expect((await acme.owner('{ currentOrganization { description } }')).data.currentOrganization.description).toBe(
    'carried out',
  );
});

test('what is read is bounded while it comes, before any of it is shown', async () => {
  const acme = await givenOrganization(server);
  await givenLargeRuns(acme, 80);
  const answer = await acme.viewer('{ runs(first: 80) { nodes { input } } }');
  expect(answer.data.runs.nodes).toEqual(Array.from({ length: 80 }, () => ({ input: null })));
  expect(new Set(answer.errors.map(({ extensions }) => extensions['code']))).toEqual(new Set(['QUERY_TOO_EXPENSIVE']));
  // Its connection is as good as new.
  expect((await acme.viewer('{ runs(first: 1) { nodes { id } } }')).errors).toEqual([]);
});

test('JSON is priced by what it may hold', async () => {
  const acme = await givenOrganization(server);
  const names = Array.from({ length: 4 }, (_, index) => `a${index}: input`).join(' ');
  const answer = await acme.viewer(`{ runs(first: 100) { nodes { ${names} } } }`);
  expect(answer.errors[0]?.message).toMatch(/costs 25701, more than 20000/);
});

const LIMITS = { request: 10_000_000, holder: 20_000_000, together: 20_000_000 };

test('all requests together hold so much; whoever holds little is let through, and what is answered is given back', () => {
  const large = [new ReadBound(LIMITS), new ReadBound(LIMITS)];
  for (const each of large) each.count(9_500_000);
  const small = new ReadBound(LIMITS);
  const third = new ReadBound(LIMITS);
  small.count(900_000);
  expect(() => third.count(2_000_000)).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }));
  expect(() => small.count(1000)).not.toThrow();
  third.release();
  large[0]?.release();
  large[0]?.release();
  const fourth = new ReadBound(LIMITS);
  expect(() => fourth.count(8_000_000)).not.toThrow();
  expect(() => fourth.count(3_000_000)).toThrow(expect.objectContaining({ code: 'QUERY_TOO_EXPENSIVE' }));
  for (const each of [small, fourth, ...large]) each.release();
});

test('one organization holds a part of that, and the rows of an answer are let go for what is printed', () => {
  const limits = { ...LIMITS, holder: 5_000_000 };
  const [acme, globex] = ['acme', 'globex'].map((holder) => {
    const bound = new ReadBound(limits);
    bound.count(4_000_000);
    bound.belongTo(holder);
    return bound;
  }) as [ReadBound, ReadBound];
  const more = new ReadBound(limits);
  more.belongTo('acme');
  expect(() => more.count(2_000_000)).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }));
  acme.printed(100_000);
  expect(() => more.printed(4_000_000)).not.toThrow();
  expect(() => more.printed(6_000_000)).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }));
  expect(() => globex.printed(4_500_000)).not.toThrow();
  for (const each of [acme, globex, more]) each.release();
});

test('answers that nobody takes are not made without end', async () => {
  const own = await startServer();
  const acme = await givenOrganization(own);
  const globex = await givenOrganization(own, 'globex');
  await givenLargeRuns(acme, 10, own);
  await givenLargeRuns(globex, 10, own);
  // 4.2 MB, more than a socket's buffers take.
  const query = '{ runs(first: 10) { nodes { a: input b: input c: input d: input e: input f: input g: input } } }';
  const body = JSON.stringify({ query });
  const sockets = [];
  for (let index = 0; index < 8; index += 1) sockets.push(await sendOnly(own.url, acme.viewer.token, body));
  expect(codeOf(await acme.viewer(query))).toBe('SERVICE_UNAVAILABLE');
  expect((await acme.viewer('{ viewer { role } }')).status).toBe(200);
  expect((await globex.viewer(query)).errors).toEqual([]);
  for (const socket of sockets) socket.destroy();
  while ((await acme.viewer(query)).errors.length > 0) await new Promise(setImmediate);
  await own.close();
});

test('an answer that nobody takes is held by its bytes, whatever letters it is in', async () => {
  const own = await startServer();
  const acme = await givenOrganization(own);
  await givenLargeRuns(acme, 10, own, '漢'.repeat(20_000));
  // 1.4 million characters, and three times as many bytes.
  const query = '{ runs(first: 10) { nodes { a: input b: input c: input d: input e: input f: input g: input } } }';
  const whole = await acme.viewer(query);
  expect([whole.errors, whole.data.runs.nodes[0].g.text.length]).toEqual([[], 20_000]);
  const body = JSON.stringify({ query });
  const sockets = [];
  for (let index = 0; index < 6; index += 1) sockets.push(await sendOnly(own.url, acme.viewer.token, body));
  expect(codeOf(await acme.viewer(query))).toBe('SERVICE_UNAVAILABLE');
  for (const socket of sockets) socket.destroy();
  await own.close();
});

/** Sends a request, and takes nothing of its answer. */
async function sendOnly(url: string, token: string, body: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.pause();
  const head = [
    'POST /graphql HTTP/1.1',
    'host: localhost',
    `authorization: Bearer ${token}`,
    'content-type: application/json',
  ];
  await new Promise((resolve) =>
    socket.write(`${[...head, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`, resolve),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  return socket;
}

test.each(['\u0001', '\u0000', '\u001f'])(
  'text holds no control characters, each of which is printed as six: %j',
  async (character) => {
    const { owner } = await givenOrganization(server);
    const query = 'mutation ($text: String) { updateOrganization(input: { description: $text }) { id } }';
    expect(codeOf(await owner(query, { text: `a${character}` }))).toBe('BAD_USER_INPUT');
    expect((await owner(query, { text: 'a\tb\r\nc' })).errors).toEqual([]);
  },
);

test('an answer is measured as it would be printed', () => {
  const answer = { list: [1, 'two', null, true, { three: ['x'.repeat(100)] }], none: undefined };
  const { length } = JSON.stringify(answer);
  expect(sizeOf({ data: answer }, length * 2)).toBeGreaterThan(length - 20);
  expect(sizeOf({ data: answer }, length * 2)).toBeLessThan(length * 1.5);
  expect(sizeOf({ data: answer }, length - 50)).toBe(Infinity);
  expect(sizeOf({ data: { a: 'x'.repeat(1000) } }, 1000)).toBe(Infinity);
});
