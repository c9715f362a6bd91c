/** @alone: what it starts and takes away leaves others little of the machine. */
import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askDoomed, doomedEnv } from '../support/doomed.js';
import { unique } from '../support/given.js';
import { eventually } from '../support/mail.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { type Process, start } from '../support/process.js';
import { type Receiver, startReceiver } from '../support/receiver.js';
import { isPostgres, startIssuer, type TestIssuer } from '../support/server.js';

const ROUNDS = 6;

(isPostgres ? describe : describe.skip)('gateways that are killed between a change and its webhook', () => {
  let postgres: TestPostgres;
  let issuer: TestIssuer;
  let receiver: Receiver;
  let env: NodeJS.ProcessEnv;
  let gateway: Process;

  beforeAll(async () => {
    postgres = await startPostgres();
    issuer = await startIssuer();
    receiver = await startReceiver();
    env = await doomedEnv(postgres, issuer, {
      RATE_LIMIT_ADDRESS: 'off',
      RATE_LIMIT_PERSON: 'off',
    });
    gateway = await start(env);
  });
  afterAll(async () => {
    await gateway?.end('SIGKILL');
    await receiver?.close();
    await issuer?.close();
    await postgres?.close();
  });

  test('tell all that was acknowledged, under one id each, and nothing that is not in the record', async () => {
    const slug = unique('acme');
    const email = `owner@${slug}.example`;
    const token = await issuer.sign({ sub: email, email, email_verified: true });
    const ask = (query: string, variables = {}) => askDoomed(gateway.url, token, query, variables);
    const organization = await ask(`mutation { createOrganization(input: { name: "Acme", slug: "${slug}" }) { id } }`);
    const made = await ask(
      'mutation ($url: String!) { createWebhook(input: { url: $url, events: ["repository.created"] }) { webhook { id } } }',
      { url: receiver.url },
    );
    expect([organization?.errors, made?.errors, typeof made?.data?.createWebhook?.webhook.id]).toEqual([
      undefined,
      undefined,
      'string',
    ]);
    // So slow that it is in the middle of it when it is killed.
    receiver.answer = (response) => void setTimeout(() => response.writeHead(204).end(), 150);
    const acknowledged: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const writes = Array.from({ length: 5 }, async () => {
        const answer = await ask(
          'mutation ($name: String!) { createRepository(input: { name: $name, gitUrl: "https://git.example/x" }) { id } }',
          { name: unique('told') },
        );
        const id = answer?.data?.createRepository?.id as string | undefined;
        if (id !== undefined) acknowledged.push(id);
      });
      await Promise.race(writes);
      // Before it is sealed, before it is sent, or while it is.
      await wait(randomInt(1, 1500));
      await gateway.end('SIGKILL');
      await Promise.all(writes);
      gateway = await start(env);
    }
    const targets = () => new Set(receiver.received.map(({ event }) => (event.data as { targetId: string }).targetId));
    await eventually(() => {
      const told = targets();
      return acknowledged.every((id) => told.has(id)) ? true : undefined;
    });
    expect(acknowledged.length).toBeGreaterThan(ROUNDS);
    const entries = await postgres.query<{ id: string; target: string }>(
      `select id, target_id as target from audit_entry where action = 'repository.created'`,
    );
    const recorded = new Map(entries.map(({ id, target }) => [id, target]));
    for (const { event, headers } of receiver.received) {
      expect(headers['webhook-id']).toBe(event.id);
      expect(recorded.get(event.id)).toBe((event.data as { targetId: string }).targetId);
    }
    // And two at once tell nothing twice that one of them told.
    await eventually(async () => {
      const rows = await postgres.query(`select from due_work where kind = 'webhook'`);
      return rows.length === 0 ? true : undefined;
    });
    const other = await start(env);
    receiver.received.length = 0;
    await Promise.all(
      Array.from({ length: 20 }, () =>
        ask(
          'mutation ($name: String!) { createRepository(input: { name: $name, gitUrl: "https://git.example/x" }) { id } }',
          {
            name: unique('told'),
          },
        ),
      ),
    );
    await eventually(async () => {
      const rows = await postgres.query(`select from due_work where kind = 'webhook'`);
      return targets().size >= 20 && rows.length === 0 ? true : undefined;
    });
    expect(receiver.received).toHaveLength(20);
    await other.end('SIGKILL');
  });
});
