import { afterAll, beforeAll, expect } from '@jest/globals';
import { openEvents, type Told } from '../support/events.js';
import { givenSealed } from '../support/sealed.js';
import { startServer, type TestServer } from '../support/server.js';
import { race } from './race.js';

const ALL =
  'subscription ($after: String) { organizationRunUpdates(after: $after) { cursor change status run { id totalTokens } } }';
const REPORT =
  'mutation ($id: ID!, $input: RunProgressInput!) { recordRunProgress(id: $id, input: $input) { status } }';
const START = 'mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }';

/** Two replicas of one deployment. */
let [one, other]: TestServer[] = [];

const startBeside = ({ issuer: { issuer, jwksUri } }: TestServer): Promise<TestServer> =>
  startServer({
    scheduled: true,
    env: {
      AUTH_ISSUERS: JSON.stringify([{ issuer, jwksUri, audience: 'orgate', algorithms: ['ES256'], typ: 'at+jwt' }]),
    },
  });

beforeAll(async () => {
  one = await startServer({ scheduled: true });
  other = await startBeside(one);
});

afterAll(async () => {
  await one?.close();
  await other?.close();
});

const toldOf = (told: Told | null) => told?.data?.organizationRunUpdates;

race('what happens at one replica is heard at the other, and whoever comes back there loses nothing', async () => {
  if (!one || !other) throw new Error('not started');
  const { developer, agentId } = await givenSealed(one);
  const there = await openEvents({ url: other.url, token: developer.token }, ALL);
  const begun = async () => (await developer(START, { agentId })).data.startRun.id as string;
  const id = await begun();
  const queued = toldOf(await there.next());
  expect(queued).toMatchObject({ change: 'STATUS', status: 'QUEUED', run: { id } });
  await developer(REPORT, { id, input: { status: 'RUNNING', totalTokens: 1 } });
  await developer(REPORT, { id, input: { totalTokens: 5 } });
  const heard: { change: string; status: string; run: { totalTokens: number } }[] = [];
  const running = () => heard.filter(({ change, status }) => change === 'STATUS' && status === 'RUNNING');
  // Totals may be told before the status is sealed.
  while (running().length === 0 || heard.at(-1)?.run.totalTokens !== 5) heard.push(toldOf(await there.next()));
  expect(running()).toHaveLength(1);
  there.close();

  // Forty writers at once, whose commits come in any order, while a client leaves and comes back at the other replica.
  const ids = await Promise.all(Array.from({ length: 40 }, begun));
  const ending = Promise.all(ids.map((run) => developer(REPORT, { id: run, input: { status: 'SUCCEEDED' } })));
  const wanted = new Set(ids.flatMap((run) => [`${run} QUEUED`, `${run} SUCCEEDED`]));
  const seen: string[] = [];
  let { cursor } = queued;
  for (let turn = 0; seen.length < wanted.size; turn += 1) {
    const events = await openEvents({ url: turn % 2 ? one.url : other.url, token: developer.token }, ALL, {
      after: cursor,
    });
    for (let left = 9; left > 0 && seen.length < wanted.size; left -= 1) {
      const update = toldOf(await events.next());
      cursor = update.cursor;
      const name = `${update.run.id} ${update.status}`;
      if (update.change === 'STATUS' && wanted.has(name)) seen.push(name);
    }
    events.close();
  }
  await ending;
  expect(new Set(seen)).toEqual(wanted);
  expect(seen).toHaveLength(wanted.size);
  for (const run of ids) expect(seen.indexOf(`${run} QUEUED`)).toBeLessThan(seen.indexOf(`${run} SUCCEEDED`));
});

race(
  'whoever listens while their replica ends, and comes back once it has started again, loses and repeats nothing',
  async () => {
    if (!one || !other) throw new Error('not started');
    const { developer, agentId } = await givenSealed(one);
    const ids: string[] = [];
    let isOver = false;
    const writing = (async () => {
      while (!isOver) ids.push((await developer(START, { agentId })).data.startRun.id as string);
    })();
    const heard: string[] = [];
    let cursor: string | null = null;
    let events = await openEvents({ url: other.url, token: developer.token }, ALL);
    const hear = async (): Promise<boolean> => {
      const update = toldOf(await events.next());
      if (!update) return false;
      cursor = update.cursor;
      if (update.change === 'STATUS') heard.push(update.run.id);
      return true;
    };
    for (let restarts = 0; restarts < 3; restarts += 1) {
      const wanted = heard.length + 5;
      while (heard.length < wanted) await hear();
      const closing = other.close();
      while (await hear()); // until it is cut off
      await closing;
      other = await startBeside(one);
      events = await openEvents({ url: other.url, token: developer.token }, ALL, { after: cursor });
    }
    isOver = true;
    await writing;
    while (heard.at(-1) !== ids.at(-1)) await hear();
    events.close();
    // What was done before they first listened, they did not hear.
    expect(heard).toEqual(ids.slice(ids.indexOf(heard[0] ?? '')));
  },
);
