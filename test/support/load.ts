import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { unique } from './given.js';
import { eventually } from './mail.js';
import { startPostgres, type TestPostgres } from './postgres.js';
import { newDirectory, type Process, start } from './process.js';
import { type Checked, startIssuer, type TestIssuer } from './server.js';

/** The code of the answer: OK, that of its first error, or NO_ANSWER where none came. */
type Ask = <Text extends string>(
  query: Text & Checked<Text>,
) => Promise<{ code: string; data: Record<string, unknown> | null }>;

/** orgate in a process of its own, with an organization whose owner asks it. */
export interface Gateway extends Process {
  readonly ask: Ask;
  /** Makes another organization, whose owner has no part in what the first one's does. */
  another(): Promise<Ask>;
  close(): Promise<void>;
}

/**
 * @param env names the database, and whatever else the trial is about
 * @param through the command that starts it, and becomes it
 */
export async function startGateway(env: NodeJS.ProcessEnv, through: readonly string[] = []): Promise<Gateway> {
  const issuer: TestIssuer = await startIssuer();
  const process = await start(
    {
      DATA_DIR: await newDirectory(),
      LOG_LEVEL: 'warn',
      RATE_LIMIT_ADDRESS: 'off',
      RATE_LIMIT_PERSON: 'off',
      RATE_LIMIT_ORGANIZATION: 'off',
      RATE_LIMIT_CREATION: 'off',
      RATE_LIMIT_PERSON_POINTS: 'off',
      RATE_LIMIT_ORGANIZATION_POINTS: 'off',
      AUTH_ISSUERS: JSON.stringify([{ issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'orgate' }]),
      ...env,
    },
    { through },
  );
  const another = async (): Promise<Ask> => {
    const slug = unique('acme');
    const email = `owner@${slug}.example`;
    const token = await issuer.sign({ sub: email, email, email_verified: true });
    const ask: Ask = async (query) => {
      const response = await fetch(`${process.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query }),
        signal: AbortSignal.timeout(30_000),
      })
        .then((answer) => answer.json() as Promise<Answer>)
        .catch(() => null);
      if (!response) return { code: 'NO_ANSWER', data: null };
      return { code: response.errors?.[0]?.extensions.code ?? 'OK', data: response.data ?? null };
    };
    const made = await ask(`mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { id } }`);
    if (made.code !== 'OK') throw new Error(`${made.code}\n${process.output()}`);
    return ask;
  };
  if (process.child.exitCode !== null) throw new Error(process.output());
  return {
    ...process,
    ask: await another(),
    another,
    async close() {
      for (const { url, end } of loads) if (url === process.url) end();
      await process.end();
      await issuer.close();
    },
  };
}

/** A PostgreSQL for the tests of a file to take away, and a gateway on it. */
export function useGateway(env: NodeJS.ProcessEnv): { postgres: TestPostgres; gateway: Gateway } {
  const [postgres, gateway] = [{} as TestPostgres, {} as Gateway];
  beforeAll(async () => {
    Object.assign(postgres, await startPostgres());
    Object.assign(gateway, await startGateway({ DATABASE_URL: postgres.url, ...env }));
  });
  // What was never started has nothing to close.
  afterAll(async () => {
    await gateway.close?.();
    await postgres.close?.();
  });
  return { postgres, gateway };
}

interface Answer {
  readonly data?: Record<string, unknown>;
  readonly errors?: { extensions: { code: string } }[];
}

/** What clients saw while something was taken away. */
export interface Seen {
  /** How often each code was answered. */
  readonly codes: Readonly<Record<string, number>>;
  /** Names of repositories whose creation was acknowledged. */
  readonly acknowledged: readonly string[];
  /** Milliseconds from a moment (`performance.now()`) to the first answer without an error. */
  firstAnswerAfter(moment: number): number | null;
}

export interface Load {
  /** Resolves once this many more answers without an error have come. */
  served(count: number): Promise<void>;
  stop(): Promise<Seen>;
}

const WRITE = (name: string) =>
  `mutation { createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id } }`;
/** In a transaction, with the organization's row locked. */
const CHANGE = `mutation { updateOrganization(input: { description: "under load" }) { id } }`;
const READ = '{ viewer { role } repositories { totalCount } }';

/** What ends each load: one whose test failed would ask for ever, and the run would not end. */
const loads: { readonly url: string; readonly end: () => void }[] = [];

/** So many clients that each ask one thing after the other: they write, read and change, and go on whatever they are told. */
export function startLoad(gateway: Gateway, clients = 12): Load {
  const codes: Record<string, number> = {};
  const acknowledged: string[] = [];
  const answered: number[] = [];
  let isOver = false;
  loads.push({ url: gateway.url, end: () => (isOver = true) });
  const work = async (): Promise<void> => {
    for (let round = 0; !isOver; round += 1) {
      const name = unique('kept');
      const isWrite = round % 3 === 0;
      const { code } = await gateway.ask(isWrite ? WRITE(name) : round % 3 === 1 ? READ : CHANGE);
      codes[code] = (codes[code] ?? 0) + 1;
      if (code === 'OK') answered.push(performance.now());
      else await wait(20);
      if (code === 'OK' && isWrite) acknowledged.push(name);
    }
  };
  const working = Promise.all(Array.from({ length: clients }, work));
  return {
    async served(count) {
      const goal = answered.length + count;
      while (answered.length < goal && gateway.child.exitCode === null) await wait(5);
    },
    async stop() {
      isOver = true;
      await working;
      const firstAnswerAfter = (moment: number) => {
        const first = answered.find((at) => at > moment);
        return first === undefined ? null : Math.round(first - moment);
      };
      return { codes, acknowledged, firstAnswerAfter };
    },
  };
}

/** The three things that hold whatever is taken away. Tells the figures of the trial. */
export async function expectSurvived(trial: string, gateway: Gateway, postgres: TestPostgres, seen: Seen, more = {}) {
  expect([gateway.child.exitCode, gateway.child.signalCode]).toEqual([null, null]);
  expect((await gateway.ask(READ)).code).toBe('OK');
  expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);
  const [kept] = await postgres.query<{ count: number }>(
    'select count(*)::int as count from repository where name = any($1)',
    [seen.acknowledged],
  );
  const lost = seen.acknowledged.length - (kept?.count ?? 0);
  tell(trial, { ...more, codes: seen.codes, acknowledged: seen.acknowledged.length, lost });
  expect(lost).toBe(0);
  expect(Object.keys(seen.codes).filter((code) => code !== 'OK' && code !== 'SERVICE_UNAVAILABLE')).toEqual([]);
  expect(seen.acknowledged.length).toBeGreaterThan(0);
}

/** No connection is left behind with something open on it: whatever a job of the gateway has open just now, it ends. */
export async function expectNoneLeaked(postgres: TestPostgres, poolSize: number): Promise<void> {
  await eventually(async () => {
    const [found] = await postgres.query<{ all: number; busy: number }>(
      `select count(*)::int as all, count(*) filter (where state <> 'idle')::int as busy
       from pg_stat_activity where application_name = 'orgate'`,
    );
    return found && found.busy === 0 && found.all <= poolSize ? found : undefined;
  });
}

/** Figures go to where `npm run faults` collects them. */
function tell(trial: string, figures: object): void {
  const file = process.env['ORGATE_FAULTS_FILE'];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ trial, ...figures })}\n`);
}
