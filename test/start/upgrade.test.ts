/** @alone: it asks without a pause while servers start and end. */
import { execFile } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, request as forward, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { unique } from '../support/given.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { imageWithoutDevelopment, newDirectory, type Process, start } from '../support/process.js';
import { type Answer, isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

/** What a release adds: a column to a table that everybody reads and writes, and a table. */
const ADDS = `
alter table repository add column colour text;
create table newer (
  org_id text not null references organization (id) on delete cascade,
  id     text not null,
  primary key (org_id, id)
);
call orgate_isolate('newer');
`;

interface Replica extends Process {
  isReady: boolean;
  served: number;
}

/** Shares requests out by turns among those that say that they are ready. Sends nothing twice: what fails is lost. */
class Balancer {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #replicas: Replica[] = [];
  #turn = 0;
  #isOver = false;
  readonly #server: Server = createServer((request, response) => {
    const ready = this.#replicas.filter(({ isReady }) => isReady);
    const replica = ready[(this.#turn += 1) % ready.length];
    const fail = () => response.headersSent || response.writeHead(502).end('{}');
    if (!replica) return fail();
    const { method, headers, url = '/' } = request;
    const asked = forward(replica.url + url, { agent: this.#agent, method, headers }, (answer) => {
      replica.served += 1;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    asked.on('error', fail);
    return request.pipe(asked);
  });

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    void this.#watch();
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async add(process: Process): Promise<Replica> {
    if (process.child.exitCode !== null) throw new Error(process.output());
    const replica = { ...process, isReady: false, served: 0 };
    this.#replicas.push(replica);
    return replica;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      for (const each of this.#replicas)
        each.isReady = (await fetch(`${each.url}/readyz`).catch(() => null))?.ok ?? false;
      await wait(50);
    }
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
    for (const each of this.#replicas) await each.end('SIGKILL');
  }
}

(isPostgres ? describe : describe.skip)('An upgrade, as docs/operations.md says', () => {
  const balancer = new Balancer();
  let url: string;
  let newer: string;
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let env: NodeJS.ProcessEnv;
  const urlOf = (user: string) => Object.assign(new URL(postgres.url), { username: user, password: 'secret' }).href;

  beforeAll(async () => {
    [postgres, issuer, url, newer] = await Promise.all([
      startPostgres(),
      startIssuer(),
      balancer.listen(),
      imageWithoutDevelopment(),
    ]);
    const migrations = path.join(newer, '../prisma/migrations');
    await rm(path.join(newer, '../prisma'));
    await cp(fileURLToPath(new URL('../../prisma/migrations', import.meta.url)), migrations, { recursive: true });
    await mkdir(path.join(migrations, '99991231235958_newer'));
    await writeFile(path.join(migrations, '99991231235958_newer/migration.sql'), ADDS);
    await postgres.query(`create role owner login password 'secret' createrole`);
    await postgres.query(`create role gateway login password 'secret' nosuperuser nobypassrls noinherit`);
    await postgres.query(`alter database ${new URL(postgres.url).pathname.slice(1)} owner to owner`);
    await postgres.query('alter schema public owner to owner');
    env = {
      NODE_ENV: 'production',
      ORGATE_SECRET_KEY: Buffer.alloc(32, 7).toString('base64'),
      PUBLIC_URL: 'https://orgate.example',
      DATA_DIR: await newDirectory(),
      DATABASE_URL: urlOf('gateway'),
      // Of a machine that has much to do: a wait is no loss.
      DATABASE_LOCK_TIMEOUT_MS: '20000',
      DATABASE_STATEMENT_TIMEOUT_MS: '30000',
      SHUTDOWN_DELAY_MS: '1000',
      LOG_LEVEL: 'warn',
      RATE_LIMIT_ADDRESS: 'off',
      RATE_LIMIT_PERSON: 'off',
      RATE_LIMIT_ORGANIZATION: 'off',
      RATE_LIMIT_PERSON_POINTS: 'off',
      RATE_LIMIT_ORGANIZATION_POINTS: 'off',
      AUTH_ISSUERS: JSON.stringify([{ issuer: issuer.issuer, jwksUri: issuer.jwksUri, audience: 'orgate' }]),
    };
  });
  afterAll(async () => {
    await balancer.close();
    await issuer?.close();
    await postgres?.close();
  });

  test('loses no request: the release before serves beside the newer, and each replica ends well', async () => {
    const cwd = await newDirectory();
    const migrate = (dist: string) =>
      promisify(execFile)(process.execPath, [path.join(dist, 'commands/migrate.js')], {
        cwd,
        env: { PATH: process.env['PATH'], DATABASE_URL: urlOf('gateway'), MIGRATION_DATABASE_URL: urlOf('owner') },
      });

    await migrate(fileURLToPath(new URL('../../dist/', import.meta.url)));
    const [first, second] = await Promise.all([start(env), start(env)]);
    const before = [await balancer.add(first), await balancer.add(second)];
    while (before.some(({ isReady }) => !isReady)) await wait(20);

    const token = await issuer.sign({ sub: 'ann', email: 'ann@acme.example', email_verified: true });
    const ask = async (query: string): Promise<string> => {
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({ query }),
      });
      const { data, errors } = (await response.json()) as Partial<Answer>;
      return data && !errors ? 'OK' : `${response.status} ${JSON.stringify(errors)}`;
    };
    expect(await ask('mutation { createOrganization(input: { name: "Acme", slug: "acme" }) { id } }')).toBe('OK');

    const lost: string[] = [];
    const acknowledged: string[] = [];
    let isOver = false;
    const work = async (): Promise<void> => {
      while (!isOver) {
        const name = unique('kept');
        const write = `mutation { createRepository(input: { name: "${name}", gitUrl: "https://git.example/x" }) { id } }`;
        const written = await ask(write).catch(String);
        if (written === 'OK') acknowledged.push(name);
        else lost.push(written);
        const read = await ask(
          '{ viewer { role } repositories(first: 3) { totalCount nodes { name agents { totalCount } } } }',
        );
        if (read !== 'OK') lost.push(read);
      }
    };
    const working = Promise.all(Array.from({ length: 4 }, work));
    /** Each of these has answered so many more, or something is lost. */
    const serve = async (...replicas: Replica[]) => {
      const goals = replicas.map(({ served }) => served + 20);
      while (lost.length === 0 && replicas.some(({ served }, index) => served < (goals[index] ?? 0))) await wait(20);
    };
    await serve(...before);
    expect((await migrate(newer)).stdout).toContain('applied 99991231235958_newer');
    await serve(...before);
    for (const old of before) {
      const after = await balancer.add(await start(env, { dist: newer }));
      await serve(after, ...before.filter(({ child }) => child.exitCode === null));
      expect(await old.end('SIGTERM')).toBe(0);
    }
    isOver = true;
    await working;

    expect(lost).toEqual([]);
    const kept = await postgres.query<{ name: string }>('select name from repository');
    expect(kept.map(({ name }) => name).toSorted()).toEqual(acknowledged.toSorted());
    // Whoever was started before, and is needed again, finds what the newer left.
    const back = await start(env);
    expect(back.child.exitCode).toBeNull();
    expect(await back.end()).toBe(0);
  });
});
