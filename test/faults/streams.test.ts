/** @alone: what it starts and takes away leaves others little of the machine. */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { type Events, openEvents } from '../support/events.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { type Process, start } from '../support/process.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const ALL = 'subscription { organizationRunUpdates { change status run { id } } }';
const START = 'mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }';
const STREAMS = 20;

/** What one of them heard, and whether it came to an end. */
interface Heard {
  readonly runs: string[];
  isOver: boolean;
}

/** A stream is asked for once, and lasts for hours: what is back after a moment ended none of them. */
(isPostgres ? describe : describe.skip)('streams of updates, while the database is taken away', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let gateway: Process;
  let env: NodeJS.ProcessEnv;
  let [token, agentId] = ['', ''];
  let streams: Events[] = [];
  let heard: Heard[] = [];

  const ask = (query: string, variables = {}) => askDoomed(gateway.url, token, query, variables);
  const started = async () => (await ask(START, { agentId }))?.data?.startRun?.id as string | undefined;

  async function listen(events: Events): Promise<void> {
    const mine: Heard = { runs: [], isOver: false };
    heard.push(mine);
    for (let told = await events.next(); told; told = await events.next()) {
      const update = told.data?.organizationRunUpdates;
      if (update?.change === 'STATUS' && update.status === 'QUEUED') mine.runs.push(update.run.id as string);
    }
    mine.isOver = true;
  }

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    const off = ['ADDRESS', 'PERSON', 'ORGANIZATION', 'PERSON_POINTS', 'ORGANIZATION_POINTS', 'CREATION'];
    env = await doomedEnv(postgres, issuer, Object.fromEntries(off.map((limit) => [`RATE_LIMIT_${limit}`, 'off'])));
    gateway = await start(env);
    const name = unique('ann');
    token = await issuer.sign({ sub: name, email: `${name}@acme.example`, email_verified: true });
    await ask(`mutation { createOrganization(input: { name: "Acme", slug: "${unique('acme')}" }) { id } }`);
    const repository = await ask(
      'mutation { createRepository(input: { name: "x", gitUrl: "https://git.example/x" }) { id } }',
    );
    const agent = await ask('mutation ($id: ID!) { createAgent(input: { repositoryId: $id, name: "Agent" }) { id } }', {
      id: repository?.data.createRepository.id,
    });
    agentId = agent?.data.createAgent.id as string;
    streams = await Promise.all(Array.from({ length: STREAMS }, () => openEvents({ url: gateway.url, token }, ALL)));
    for (const events of streams) void listen(events);
  });
  afterAll(async () => {
    for (const events of streams) events.close();
    await gateway?.end('SIGKILL');
    await issuer?.close();
    await postgres?.close();
  });

  test.each([
    [
      'one backend after the other is terminated',
      async () => {
        for (let round = 0; round < 20; round += 1) {
          await postgres.query(
            `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'orgate' order by random() limit 1`,
          );
          await started();
        }
      },
    ],
    [
      'all backends are terminated, and that on which news come',
      async () => {
        for (let round = 0; round < 5; round += 1) {
          await postgres.query(
            `select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^orgate'`,
          );
          await started();
          await wait(500);
        }
      },
    ],
    [
      'the server is away for six seconds',
      async () => {
        await postgres.stop('immediate');
        await wait(6000);
        await postgres.start();
      },
    ],
  ])('%s: all go on, and hear each run once', async (_what, takeAway) => {
    heard = heard.slice(-STREAMS);
    await takeAway();
    const last = await eventually(started);
    await eventually(() => (heard.every(({ runs, isOver }) => isOver || runs.at(-1) === last) ? true : undefined));
    expect(heard.filter(({ isOver }) => isOver)).toEqual([]);
    const [{ runs: first } = { runs: [] }] = heard;
    expect(new Set(first).size).toBe(first.length);
    for (const { runs } of heard) expect(runs).toEqual(first);
  });
});
