import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { PAUSES_MS } from '../../../src/domains/webhook/deliver.js';
import { parseEgressRule } from '../../../src/egress/allow.js';
import { createEgress, type Egress } from '../../../src/egress/egress.js';
import { newId } from '../../../src/data/id.js';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import { startNameServer } from '../../support/dns.js';
import { type DueReplica, openReplica } from '../../support/due-work.js';
import {
  givenAdministrator,
  givenMember,
  givenOrganization,
  type GivenOrganization,
  personId,
  unique,
} from '../../support/given.js';
import { eventually } from '../../support/mail.js';
import { type Receiver, startReceiver } from '../../support/receiver.js';
import { type Answer, type Client, codeOf, startServer, useServer } from '../../support/server.js';
import { deliver, givenWebhook, openDeliverer, passToNextTry, sealAll, workOf } from '../../support/webhooks.js';

const server = useServer();
const receivers: Receiver[] = [];
afterEach(async () => {
  for (const receiver of receivers.splice(0)) await receiver.close();
});
const receiving = async (): Promise<Receiver> => {
  const receiver = await startReceiver();
  receivers.push(receiver);
  return receiver;
};

const createRepository = async (owner: Client): Promise<string> => {
  const answer = await owner(
    'mutation ($name: String!) { createRepository(input: { name: $name, gitUrl: "https://git.example/x" }) { id } }',
    { name: unique('told') },
  );
  return answer.data.createRepository?.id as string;
};

/** So many at once, without a request for each. */
const createRepositories = (orgId: string, count: number): Promise<unknown> =>
  server.database.pool.queryAsLoginRole(
    `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))
     insert into repository (org_id, id, name, git_url)
     select $1, 'rep_' || gen_random_uuid(), 'r' || gen_random_uuid(), 'https://git.example/' from act, generate_series(1, $2)`,
    [orgId, count],
  );

const given = async (): Promise<GivenOrganization> => {
  const acme = await givenOrganization(server);
  await sealAll(server, acme.id);
  return acme;
};

/** An organization with a webhook for repositories, and who delivers to it. */
async function givenHook(deliverer: Parameters<typeof openDeliverer>[1] = {}) {
  const acme = await given();
  const receiver = await receiving();
  const hook = await givenWebhook(acme.owner, receiver, ['repository.created']);
  const by: DueReplica = openDeliverer(server, deliverer);
  const pass = () => deliver(server, acme.id, by);
  const db = server.database.organizationDb(acme.id, byTest);
  await db.dueWork.delete({ kind: 'webhook' }); // that it is looked at once it is made
  return { acme, receiver, hook, by, pass, db };
}

const ATTEMPTS = `query ($id: ID!) {
  webhook(id: $id) {
    status disabledBecause untoldSince
    attempts(first: 50) { nodes { status problem answer deliveryId event sequence durationMs } }
  }
}`;
async function seen(owner: Client, id: string) {
  const { data } = await owner(ATTEMPTS, { id });
  const { attempts, ...hook } = data.webhook ?? { attempts: null };
  return { ...hook, attempts: attempts?.nodes ?? [] };
}
const verified = (secret: string, { body, headers }: Receiver['received'][number]): unknown =>
  new Webhook(secret).verify(body, headers as Record<string, string>);
const argumentOf = (answer: Answer): unknown => [codeOf(answer), answer.errors[0]?.extensions['argument']];

test('it says who made it; of one from before that was kept, nobody', async () => {
  const { acme, hook } = await givenHook();
  const read = async () =>
    (await acme.admin('query ($id: ID!) { webhook(id: $id) { createdBy { id } } }', { id: hook.id })).data.webhook;
  expect(await read()).toEqual({ createdBy: { id: await personId(acme.owner) } });
  await server.database.pool.queryAsLoginRole('update webhook set created_by = null where id = $1', [hook.id]);
  expect(await read()).toEqual({ createdBy: null });
});

describe('what happens', () => {
  test('is sent once it is sealed, signed, and holds ids', async () => {
    const { acme, receiver, hook, pass } = await givenHook();
    const id = await createRepository(acme.owner);
    await pass();
    const [first] = receiver.received;
    if (!first) throw new Error('nothing came');
    expect(receiver.received).toHaveLength(1);
    expect(verified(hook.secret, first)).toEqual(first.event);
    expect(first.event).toEqual({
      id: first.headers['webhook-id'],
      type: 'repository.created',
      sequence: expect.any(Number),
      timestamp: expect.any(String),
      data: {
        organizationId: acme.id,
        targetType: 'repository',
        targetId: id,
        actorKind: 'PERSON',
        actorId: expect.stringMatching(/^usr_/),
      },
    });
    const log = await acme.owner(
      '{ auditLog(first: 1, filter: { action: "repository.created" }) { nodes { id sequence } } }',
    );
    const entry = { id: first.event.id, sequence: first.event.sequence };
    expect(log.data.auditLog?.nodes).toEqual([entry]);
    expect((await seen(acme.owner, hook.id)).attempts).toEqual([
      {
        status: 204,
        problem: null,
        answer: '',
        deliveryId: expect.stringMatching(/^whd_/),
        event: 'repository.created',
        sequence: first.event.sequence,
        durationMs: expect.any(Number),
      },
    ]);
    // Where nothing more is to be told, nothing is kept waiting.
    expect(await workOf(server, acme.id)).toEqual([]);
  });

  test('names what has no id by what it is told apart by, and says nothing more of it', async () => {
    const { acme, receiver } = await givenHook();
    await givenWebhook(acme.owner, receiver, ['provider_health.created', 'limit.threshold_reached']);
    const by = openDeliverer(server);
    const done = async (text: string) => expect((await acme.owner(text)).errors).toEqual([]);
    await done(
      `mutation { createCredential(input: { kind: LLM_PROVIDER, name: "Ours", provider: "anthropic", secret: "s" }) { id } }`,
    );
    await done(
      'mutation { reportProviderHealth(input: { provider: "anthropic", healthy: false, detail: "529" }) { healthy } }',
    );
    await done(
      'mutation { setCostLimits(input: { monthlyLimitMicros: 10, alertThresholdsPercent: [50] }) { hardStopAtLimit } }',
    );
    await done(
      `mutation { recordUsage(input: { idempotencyKey: "k", metric: "images", quantity: 1, costMicros: 6 }) { duplicate } }`,
    );
    await deliver(server, acme.id, by);
    const told = (type: string) => receiver.received.find(({ event }) => event.type === type)?.event.data;
    const rest = { organizationId: acme.id, actorKind: expect.any(String), actorId: expect.anything() };
    expect(told('provider_health.created')).toEqual({ ...rest, targetType: 'provider_health', targetId: 'anthropic' });
    expect(told('limit.threshold_reached')).toEqual({
      ...rest,
      targetType: 'budget',
      targetId: expect.stringMatching(/^\d{4}-\d\d$/),
    });
  });

  test('is not sent where it was rolled back, and of nobody else', async () => {
    const { acme, receiver, pass, db } = await givenHook();
    const globex = await givenHook();
    const repository = () => ({ id: newId('rep'), name: unique('r'), gitUrl: 'https://git.example/x' });
    await expect(
      db.transaction(async (tx) => {
        await tx.repository.create(repository());
        throw new Error('over');
      }),
    ).rejects.toThrow('over');
    await createRepository(globex.acme.owner);
    await acme.owner(
      'mutation ($name: String!) { createRepository(input: { name: $name, gitUrl: "https://git.example/x" }) { id } }',
      { name: '' },
    );
    await pass();
    await globex.pass();
    expect([receiver.received.length, globex.receiver.received.length]).toEqual([0, 1]);
  });

  test('that a webhook does not want wakes nothing', async () => {
    const { acme, receiver, pass } = await givenHook();
    await sealAll(server, acme.id);
    expect((await acme.owner('mutation { updateOrganization(input: { description: "x" }) { id } }')).errors).toEqual(
      [],
    );
    await sealAll(server, acme.id);
    expect(await workOf(server, acme.id)).toEqual([]);
    await createRepository(acme.owner);
    await pass();
    expect(receiver.received.map(({ event }) => event.type)).toEqual(['repository.created']);
  });

  test('while the rest is being sent is sent behind it', async () => {
    const { acme, receiver, pass } = await givenHook();
    let made = 0;
    receiver.answer = (response) => {
      if ((made += 1) > 3) return void response.writeHead(204).end();
      void createRepository(acme.owner)
        .then(() => sealAll(server, acme.id))
        .then(() => response.writeHead(204).end());
    };
    await createRepository(acme.owner);
    await pass();
    expect(receiver.received).toHaveLength(4);
    expect(await workOf(server, acme.id)).toEqual([]);
  });
});

describe('what is not taken', () => {
  const answers: [string, (receiver: Receiver) => Receiver['answer'], number, string][] = [
    [
      'a redirect',
      ({ url }) =>
        (response) =>
          void response.writeHead(302, { location: url }).end('away'),
      302,
      'away',
    ],
    ['a failure', () => (response) => void response.writeHead(500).end('x'.repeat(5000)), 500, 'x'.repeat(1024)],
    ['a NUL', () => (response) => void response.writeHead(400).end('a\0b'), 400, 'a\uFFFDb'],
  ];
  test.each(answers)(
    '%s is tried again under the same id, with the first KiB of the answer kept',
    async (_what, answer, status, text) => {
      const { acme, receiver, hook, pass } = await givenHook();
      receiver.answer = answer(receiver);
      await createRepository(acme.owner);
      await pass();
      expect(receiver.received).toHaveLength(1);
      receiver.answer = (response) => void response.writeHead(200).end();
      await passToNextTry(server, acme.id);
      await pass();
      expect(receiver.received).toHaveLength(2);
      const [first, second] = receiver.received;
      expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
      expect(second?.body).toBe(first?.body);
      const { attempts } = await seen(acme.owner, hook.id);
      expect(attempts).toMatchObject([
        { status: 200, problem: null },
        { status, problem: 'STATUS', answer: text },
      ]);
      expect(new Set(attempts.map(({ deliveryId }: { deliveryId: string }) => deliveryId)).size).toBe(1);
    },
  );

  test.each([
    [429, '7200', 7_200_000],
    [503, '999999999', 86_400_000],
    [500, '7200', 5000],
  ])('%s that asks for %s seconds is left alone for %s ms', async (status, seconds, ms) => {
    const { acme, receiver, pass, db } = await givenHook();
    receiver.answer = (response) => void response.writeHead(status, { 'retry-after': seconds }).end();
    await createRepository(acme.owner);
    const began = db.now().getTime();
    await pass();
    const [waiting] = await db.webhookDelivery.list({ orderBy: {}, take: 9 });
    const afterMs = (waiting?.dueAt.getTime() ?? 0) - began;
    expect(afterMs).toBeGreaterThanOrEqual(ms);
    expect(afterMs).toBeLessThan(ms + 100_000);
  });

  test('what hangs, drips or breaks off is over in its time', async () => {
    const { acme, receiver, hook, pass } = await givenHook({ tryMs: 300 });
    const kinds: Receiver['answer'][] = [
      () => undefined,
      (response) => {
        response.writeHead(200, { 'content-type': 'text/plain' });
        const drip = setInterval(() => response.write('x'), 50);
        response.on('close', () => clearInterval(drip));
      },
      (response) => void response.destroy(),
    ];
    const how = new Map<string, Receiver['answer']>();
    receiver.answer = (response, received) => {
      if (!how.has(received.event.id)) how.set(received.event.id, kinds.shift() ?? (() => undefined));
      how.get(received.event.id)?.(response, received);
    };
    for (let index = 0; index < 3; index += 1) await createRepository(acme.owner);
    await pass();
    const { attempts, status } = await seen(acme.owner, hook.id);
    const problems = attempts.map(({ problem }: { problem: string | null }) => problem);
    expect(problems.filter((problem: string | null) => problem === 'TIMEOUT')).toHaveLength(2);
    expect(problems.filter((problem: string | null) => problem === 'UNREACHABLE')).toHaveLength(1);
    expect(status).toBe('ACTIVE');
    await eventually(() => (receiver.open() === 0 ? true : undefined));
  });

  test('what says nothing for 15 seconds is over, and was not taken', async () => {
    const { acme, receiver, hook, pass } = await givenHook();
    receiver.answer = () => undefined;
    await createRepository(acme.owner);
    const { timeout } = AbortSignal;
    const asked: number[] = [];
    jest.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      asked.push(ms);
      return timeout.call(AbortSignal, ms / 100);
    });
    try {
      await pass();
    } finally {
      jest.restoreAllMocks();
    }
    expect(asked).toEqual([15_000]);
    expect((await seen(acme.owner, hook.id)).attempts).toMatchObject([{ status: null, problem: 'TIMEOUT' }]);
  });

  test.each([0, 0.5, 0.999])(
    'is tried again after each pause, and by chance (%d) up to a fifth later',
    async (chance) => {
      const { receiver, hook, pass, db } = await givenHook({ random: () => chance });
      receiver.answer = (response) => void response.writeHead(500).end();
      const began = db.now().getTime();
      await db.webhookDelivery.createMany(
        PAUSES_MS.map((_, attempts) => ({
          id: newId('whd'),
          webhookId: hook.id,
          eventId: newId('aud'),
          event: 'repository.created',
          sequence: BigInt(attempts + 1),
          body: '{}',
          attempts,
          happenedAt: db.now(),
          dueAt: db.now(),
        })),
      );
      await db.dueWork.create({ id: newId('due'), kind: 'webhook', subject: hook.id, dueAt: db.now() });
      await pass();
      const tookMs = db.now().getTime() - began;
      const waiting = await db.webhookDelivery.list({ orderBy: { attempts: 'asc' }, take: 20 });
      expect(waiting.map(({ attempts }) => attempts)).toEqual(PAUSES_MS.map((_, index) => index + 1));
      for (const [index, pause] of PAUSES_MS.entries()) {
        const pausedMs = (waiting[index]?.dueAt.getTime() ?? 0) - began - pause * (1 + chance / 5);
        expect(pausedMs).toBeGreaterThan(-100); // by two looks at one clock
        expect(pausedMs).toBeLessThan(tookMs + 100);
      }
    },
  );

  test('410 disables, and tells the OWNERs once, with how to go on', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    receiver.answer = (response) => void response.writeHead(410).end();
    for (let index = 0; index < 8; index += 1) await createRepository(acme.owner);
    await pass();
    expect(await seen(acme.owner, hook.id)).toMatchObject({ status: 'DISABLED', disabledBecause: 'GONE' });
    const mails = await db.dueWork.count({ kind: 'mail' });
    expect(mails).toBe(1);
    expect(receiver.received.length).toBeLessThanOrEqual(5);
    expect(await db.webhookDelivery.count({})).toBe(0);
    const before = receiver.received.length;
    await createRepository(acme.owner);
    await pass();
    expect(receiver.received).toHaveLength(before);
    const { data } = await acme.owner(
      '{ auditLog(first: 1, filter: { action: "webhook.disabled" }) { nodes { actor { kind } } } }',
    );
    expect(data.auditLog?.nodes).toEqual([{ actor: { kind: 'SYSTEM' } }]);

    // Switched on, it is told what happens from then on; and what it missed where somebody asks for that.
    receiver.answer = (response) => void response.writeHead(204).end();
    receiver.received.length = 0;
    const { untoldSince } = await seen(acme.owner, hook.id);
    await sealAll(server, acme.id);
    const on = await acme.owner(
      'mutation ($id: ID!) { updateWebhook(input: { id: $id, status: ACTIVE }) { status untoldSince disabledBecause } }',
      { id: hook.id },
    );
    expect(on.data.updateWebhook).toEqual({ status: 'ACTIVE', untoldSince: null, disabledBecause: null });
    await pass();
    expect(receiver.received).toHaveLength(0);
    const replay = 'mutation ($id: ID!, $from: DateTime!) { replayWebhook(id: $id, from: $from) { status } }';
    expect((await acme.owner(replay, { id: hook.id, from: untoldSince })).errors).toEqual([]);
    await eventually(() => (receiver.received.length === 9 ? true : undefined));
  });

  test('410 of an address that it no longer has is nobody’s word any more', async () => {
    const { acme, receiver, hook, pass } = await givenHook();
    const next = await receiving();
    const MOVE = 'mutation ($id: ID!, $url: String!) { updateWebhook(input: { id: $id, url: $url }) { id } }';
    receiver.answer = (response) =>
      void acme.owner(MOVE, { id: hook.id, url: next.url }).then(() => response.writeHead(410).end());
    await createRepository(acme.owner);
    await pass();
    expect((await seen(acme.owner, hook.id)).status).toBe('ACTIVE');
    expect([receiver.received.length, next.received.length]).toEqual([1, 1]);
  });

  test('is not blamed for that orgate closes, and is sent again', async () => {
    const { acme, receiver, hook, pass } = await givenHook();
    receiver.answer = () => undefined;
    const closing = openDeliverer(server, { limits: { tellAgain: [], close: 10 } });
    await createRepository(acme.owner);
    await sealAll(server, acme.id);
    const [due] = await workOf(server, acme.id);
    closing.dispatch({ orgId: acme.id, id: due?.id ?? '' });
    await eventually(() => (receiver.received.length === 1 ? true : undefined));
    await closing.close();
    await eventually(() => (receiver.open() === 0 ? true : undefined));
    receiver.answer = (response) => void response.writeHead(204).end();
    await pass();
    expect((await seen(acme.owner, hook.id)).attempts).toMatchObject([{ status: 204, problem: null }]);
  });

  test('is stopped, and given another secret, by whoever manages it, and may not read the record', async () => {
    const { acme, hook } = await givenHook();
    const narrowed = await givenMember(server, acme, 'ADMIN', { withheld: ['audit:read'] });
    const UPDATE = 'mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { status } }';
    const rotated = await narrowed('mutation ($id: ID!) { rotateWebhookSecret(id: $id) { webhook { id } } }', {
      id: hook.id,
    });
    expect(rotated.errors).toEqual([]);
    for (const input of [
      { events: ['*'] },
      { status: 'DISABLED', url: 'https://203.0.113.9/' },
      { status: 'ACTIVE' },
    ]) {
      expect(codeOf(await narrowed(UPDATE, { input: { id: hook.id, ...input } }))).toBe('FORBIDDEN');
    }
    const { data } = await narrowed(UPDATE, { input: { id: hook.id, status: 'DISABLED' } });
    expect(data.updateWebhook).toEqual({ status: 'DISABLED' });
  });

  test('410 again and again is one mail a day to each OWNER', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    receiver.answer = (response) => void response.writeHead(410).end();
    const SET = 'mutation ($id: ID!, $to: WebhookStatus!) { updateWebhook(input: { id: $id, status: $to }) { id } }';
    for (let round = 0; round < 3; round += 1) {
      await createRepository(acme.owner);
      await pass();
      expect((await seen(acme.owner, hook.id)).status).toBe('DISABLED');
      await acme.owner(SET, { id: hook.id, to: 'ACTIVE' });
    }
    expect(await db.dueWork.count({ kind: 'mail' })).toBe(1);
    const { data } = await acme.owner('{ notifications { nodes { kind targetId } } }');
    expect(data.notifications?.nodes).toEqual([{ kind: 'ALERT', targetId: hook.id }]);
  });

  test('410 of two webhooks on one day is told of each', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    receiver.answer = (response) => void response.writeHead(410).end();
    const other = await givenWebhook(acme.owner, receiver, ['repository.created']);
    await createRepository(acme.owner);
    await pass();
    for (const { id } of [hook, other]) expect((await seen(acme.owner, id)).status).toBe('DISABLED');
    const { data } = await acme.owner('{ notifications { nodes { kind targetId } } }');
    expect(data.notifications?.nodes).toHaveLength(2);
    expect(data.notifications?.nodes).toEqual(
      expect.arrayContaining([hook, other].map(({ id: targetId }) => ({ kind: 'ALERT', targetId }))),
    );
    expect(await db.dueWork.count({ kind: 'mail' })).toBe(2);
  });

  test('after the last try, three days later, it is DISABLED, and each OWNER is told', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    receiver.answer = (response) => void response.writeHead(500).end();
    const began = db.now().getTime();
    await createRepository(acme.owner);
    for (let tries = 1; tries <= PAUSES_MS.length + 1; tries += 1) {
      await pass();
      expect(receiver.received).toHaveLength(tries);
      if (tries <= PAUSES_MS.length) expect((await seen(acme.owner, hook.id)).status).toBe('ACTIVE');
      await passToNextTry(server, acme.id);
    }
    expect(await seen(acme.owner, hook.id)).toMatchObject({ status: 'DISABLED', disabledBecause: 'FAILED' });
    const { data } = await acme.owner('{ notifications { nodes { kind targetId } } }');
    expect(data.notifications?.nodes).toEqual([{ kind: 'ALERT', targetId: hook.id }]);
    expect(await db.dueWork.count({ kind: 'mail' })).toBe(1);
    const days = (db.now().getTime() - began) / 86_400_000;
    expect(days).toBeGreaterThan(3);
    expect(days).toBeLessThan(4);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    await pass();
    expect(receiver.received).toHaveLength(PAUSES_MS.length + 1);
  });
});

describe('what nobody can read', () => {
  test('is tried as seldom as ever, however much happens, and shows where it was given up', async () => {
    const { acme, receiver, hook, pass, by, db } = await givenHook();
    const { secret } = await db.webhook.get({ id: hook.id });
    const setSecret = (sealed: string) =>
      server.database.pool.queryAsLoginRole(
        `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))
         update webhook set secret = $3 from act where org_id = $1 and id = $2`,
        [acme.id, hook.id, sealed],
      );
    await setSecret('sealed under no key');
    for (let index = 0; index < 8; index += 1) {
      await createRepository(acme.owner);
      await pass();
    }
    expect(by.ended.map(({ outcome }) => outcome)).toEqual(['failed']);
    const GIVEN_UP = 'query ($id: ID!) { webhook(id: $id) { givenUpAt } }';
    expect((await acme.owner(GIVEN_UP, { id: hook.id })).data.webhook).toEqual({ givenUpAt: null });
    for (let tries = 0; tries < 5; tries += 1) {
      await passToNextTry(server, acme.id);
      await pass();
    }
    expect(by.ended.at(-1)?.outcome).toBe('given_up');
    expect((await acme.owner(GIVEN_UP, { id: hook.id })).data.webhook).toEqual({ givenUpAt: expect.any(String) });

    // Another secret mends it.
    await setSecret(secret);
    const rotated = await acme.owner(
      'mutation ($id: ID!) { rotateWebhookSecret(id: $id, overlapHours: 0) { webhook { givenUpAt } } }',
      { id: hook.id },
    );
    expect(rotated.data.rotateWebhookSecret?.webhook).toEqual({ givenUpAt: null });
    await pass();
    expect(receiver.received).toHaveLength(8);
  });
});

describe('one that is back', () => {
  const TEST = 'mutation ($id: ID!) { testWebhook(id: $id) { event } }';

  test('is told at once of what waits, by whatever it takes first: a test as well', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    receiver.answer = (response) => void response.writeHead(500).end();
    await createRepository(acme.owner);
    await pass();
    for (let tries = 0; tries < 3; tries += 1) {
      await passToNextTry(server, acme.id);
      await pass();
    }
    receiver.received.length = 0;
    receiver.answer = (response) => void response.writeHead(204).end();
    expect((await acme.owner(TEST, { id: hook.id })).errors).toEqual([]);
    await eventually(() => (receiver.received.length === 2 ? true : undefined));
    await pass();
    expect(receiver.received.map(({ event }) => event.type)).toEqual(['webhook.test', 'repository.created']);
    expect(await db.webhookDelivery.count({})).toBe(0);
  });

  test('is told of new events, though twenty are refused; and what is refused alone has its three days', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    const isRefused = new Set<string>();
    let isUp = false;
    receiver.answer = (response, { event }) => {
      if (!isUp) isRefused.add(event.id);
      response.writeHead(isRefused.has(event.id) ? 500 : 204).end();
    };
    await createRepositories(acme.id, 20);
    await pass();
    for (let tries = 0; tries < 2; tries += 1) {
      await passToNextTry(server, acme.id);
      await pass();
    }
    isUp = true;
    for (let index = 0; index < 12; index += 1) {
      server.database.pool.clock.advance(10 * 60_000);
      await createRepository(acme.owner);
      await pass();
    }
    expect(await db.webhookAttempt.count({ problem: null })).toBe(12);
    expect(await db.webhookDelivery.count({})).toBe(20);
    expect((await seen(acme.owner, hook.id)).status).toBe('ACTIVE');
  });

  test('has what is done meanwhile sent: made and switched on it is woken', async () => {
    const { acme, hook, db } = await givenHook();
    const woken = async () => {
      const rows = await workOf(server, acme.id);
      await db.dueWork.delete({ kind: 'webhook' });
      return rows.map(({ subject }) => subject);
    };
    const other = await givenWebhook(acme.owner, await receiving());
    expect(await woken()).toEqual([other.id]);
    const SET = 'mutation ($id: ID!, $to: WebhookStatus!) { updateWebhook(input: { id: $id, status: $to }) { id } }';
    await acme.owner(SET, { id: hook.id, to: 'DISABLED' });
    expect(await woken()).toEqual([]);
    // What was taken up while it was switched off.
    const row = { webhookId: hook.id, eventId: newId('aud'), event: 'repository.created', sequence: 1n, body: '{}' };
    await db.webhookDelivery.create({ id: newId('whd'), ...row, happenedAt: db.now(), dueAt: db.now() });
    await acme.owner(SET, { id: hook.id, to: 'ACTIVE' });
    expect(await woken()).toEqual([hook.id]);
    expect(await db.webhookDelivery.count({})).toBe(0);
  });

  test('looks through a long record in turns, and is not set back meanwhile', async () => {
    const { acme, hook, db } = await givenHook();
    const REPLAY = 'mutation ($id: ID!, $from: DateTime!) { replayWebhook(id: $id, from: $from) { id } }';
    const before = await db.webhook.get({ id: hook.id });
    await db.webhook.updateMany({ id: hook.id }, { events: ['team.created'] });
    await createRepositories(acme.id, 600);
    await sealAll(server, acme.id);
    const id = newId('due');
    await db.dueWork.create({ id, kind: 'webhook', subject: hook.id, dueAt: db.now() });
    const from = new Date(db.now().getTime() - 1000).toISOString();
    expect(codeOf(await acme.owner(REPLAY, { id: hook.id, from }))).toBe('CONFLICT');
    const by = openDeliverer(server, { turnMs: 0 });
    by.dispatch({ orgId: acme.id, id });
    await by.close();
    expect((await db.webhook.get({ id: hook.id })).handledTo - before.handledTo).toBe(250n);
    expect(by.ended.map(({ outcome }) => outcome)).toEqual(['again']);
  });

  test('that hangs, five times over, leaves the places that mail is dispatched to', async () => {
    const { acme, db } = await givenHook();
    let done = 0;
    const kind = (name: string, run: () => Promise<void>) => ({ name, payload: z.object({}), run }) as never;
    let goOn: () => void = () => undefined;
    const hanging = new Promise<void>((resolve) => (goOn = resolve));
    const quick = () => Promise.resolve(void (done += 1));
    const by = openReplica(server, { kinds: [kind('webhook', () => hanging), kind('mail', quick)] });
    const made = (of: string) =>
      db.dueWork.create({ id: newId('due'), kind: of, subject: newId('due'), dueAt: db.now() });
    for (let index = 0; index < 5; index += 1) {
      by.dispatch({ orgId: acme.id, id: (await made('webhook')).id }, 'webhook');
    }
    by.dispatch({ orgId: acme.id, id: (await made('mail')).id });
    await eventually(() => (done === 1 ? true : undefined));
    goOn();
    await by.close();
  });

  test('sends again what is redelivered while it is under way', async () => {
    const { acme, receiver, by, db } = await givenHook();
    let answer: (status: number) => void = () => undefined;
    receiver.answer = (response) => (answer = (status) => void response.writeHead(status).end());
    await createRepository(acme.owner);
    const passing = deliver(server, acme.id, by);
    await eventually(() => (receiver.received.length === 1 ? true : undefined));
    const [under] = await db.webhookDelivery.list({ orderBy: {}, take: 1 });
    await acme.owner('mutation ($id: ID!) { redeliver(deliveryId: $id) { event } }', { id: under?.id });
    const first = answer;
    receiver.answer = (response) => void response.writeHead(204).end();
    first(500);
    await passing;
    expect(receiver.received).toHaveLength(2);
    expect(await db.webhookDelivery.count({})).toBe(0);
  });
});

describe('the way out', () => {
  test('is shut to what is inside when it is saved', async () => {
    const acme = await given();
    const create = (url: string) =>
      acme.owner('mutation ($url: String!) { createWebhook(input: { url: $url, events: ["*"] }) { webhook { id } } }', {
        url,
      });
    for (const url of [
      'https://10.0.0.1/',
      'https://[::ffff:127.0.0.1]/',
      'https://169.254.169.254/latest',
      'http://203.0.113.9/',
      'https://u:p@203.0.113.9/',
      'https://203.0.113.9/#x',
      'ftp://203.0.113.9/',
      'nothing',
      '',
      `https://203.0.113.9/${'x'.repeat(1000)}`,
    ]) {
      expect([url, argumentOf(await create(url))]).toEqual([url, ['BAD_USER_INPUT', 'input.url']]);
    }
  });

  test('a name that leads inside on the second look is not connected to', async () => {
    const names = await startNameServer();
    const { acme, receiver, by: _by, db } = await givenHook();
    const name = `${unique('hook')}.example`;
    const id = (
      await givenWebhook(acme.owner, { url: `https://${name}:${new URL(receiver.url).port}/` }, ['repository.created'])
    ).id;
    names.zones.set(name, { a: ['203.0.113.7', '127.0.0.1'] });
    await createRepository(acme.owner);
    await deliver(server, acme.id, openDeliverer(server, { egress: createEgress([], [names.address]) }));
    expect((await seen(acme.owner, id)).attempts).toMatchObject([{ status: null, problem: 'INSIDE', answer: null }]);
    expect(await db.webhookAttempt.count({ problem: 'INSIDE' })).toBe(2);
    expect(receiver.received).toEqual([]);
    await names.close();
  });

  test('a name that was public when it was saved is looked at again when it is sent to', async () => {
    const names = await startNameServer();
    const saving = await startServer({ env: { DNS_SERVERS: names.address } });
    try {
      const acme = await givenOrganization(saving);
      await sealAll(server, acme.id);
      const receiver = await receiving();
      const name = `${unique('hook')}.example`;
      names.zones.set(name, { a: ['203.0.113.7'] });
      const url = `https://${name}:${new URL(receiver.url).port}/`;
      const { id } = await givenWebhook(acme.owner, { url }, ['repository.created']);
      expect(names.asked).toContain(name);
      names.zones.set(name, { a: ['127.0.0.1'] });
      await createRepository(acme.owner);
      await deliver(server, acme.id, openDeliverer(server, { egress: createEgress([], [names.address]) }));
      expect((await seen(acme.owner, id)).attempts).toMatchObject([{ status: null, problem: 'INSIDE', answer: null }]);
      expect(receiver.received).toEqual([]);
    } finally {
      await saving.close();
      await names.close();
    }
  });

  test('what a host answers that was named for it is shown to nobody; and it is named for its organization alone', async () => {
    const mine = await givenHook();
    const rule = parseEgressRule(`webhook:${mine.acme.id}=127.0.0.1:${new URL(mine.receiver.url).port}`);
    if (!rule) throw new Error('no rule');
    const egress: Egress = createEgress([rule]);
    const theirs = await given();
    const hook = await givenWebhook(theirs.owner, mine.receiver);
    mine.receiver.answer = (response) => void response.writeHead(200).end('inner secret');
    await createRepository(mine.acme.owner);
    await createRepository(theirs.owner);
    const by = openDeliverer(server, { egress });
    await deliver(server, mine.acme.id, by);
    await deliver(server, theirs.id, by);
    expect((await seen(mine.acme.owner, mine.hook.id)).attempts).toMatchObject([{ status: 200, answer: null }]);
    expect((await seen(theirs.owner, hook.id)).attempts[0]).toMatchObject({
      status: null,
      problem: 'INSIDE',
      answer: null,
    });
  });
});

describe('how much there is', () => {
  test('however long a backlog is, it is one row of work and twenty deliveries; and all of it comes, once', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    receiver.answer = (response) => void response.writeHead(500).end();
    await createRepositories(acme.id, 300);
    await pass();
    expect([await db.dueWork.count({ kind: 'webhook' }), await db.webhookDelivery.count({})]).toEqual([1, 20]);
    receiver.answer = (response) => void response.writeHead(204).end();
    receiver.received.length = 0;
    await server.database.pool.queryAsLoginRole(
      `insert into webhook_attempt (org_id, id, webhook_id, delivery_id, event, sequence, at, duration_ms)
       select $1, 'wha_0' || i, $2, 'whd_0', 'repository.created', 1, now(), 1 from generate_series(1, 1100) i`,
      [acme.id, hook.id],
    );
    await passToNextTry(server, acme.id);
    await pass();
    for (let round = 0; round < 3 && (await workOf(server, acme.id)).length > 0; round += 1) {
      await passToNextTry(server, acme.id);
      await pass();
    }
    const sequences = receiver.received.map(({ event }) => event.sequence ?? 0).toSorted((a, b) => a - b);
    expect(sequences).toEqual(Array.from({ length: 300 }, (_, index) => (sequences[0] ?? 0) + index));
    expect(await db.webhookAttempt.count({})).toBe(1000);
  });

  test('two hundred that are refused again and again are all that waits', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    const dueAt = new Date(db.now().getTime() + 3_600_000);
    const rows = Array.from({ length: 200 }, (_, index) => ({
      id: newId('whd'),
      webhookId: hook.id,
      eventId: newId('aud'),
      event: 'repository.created',
      sequence: BigInt(index + 1),
      body: '{}',
      attempts: 3,
      happenedAt: db.now(),
      dueAt,
    }));
    await db.webhookDelivery.createMany(rows);
    await createRepository(acme.owner);
    await pass();
    expect([receiver.received.length, await db.webhookDelivery.count({})]).toEqual([0, 200]);
  });

  test('what a process took up that was killed then is sent once', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    await createRepository(acme.owner);
    const [entry] = await db.auditEntry.list({
      where: { action: 'repository.created' },
      orderBy: { at: 'desc' },
      take: 1,
    });
    const row = { webhookId: hook.id, eventId: entry?.id ?? '', event: 'repository.created', sequence: 1n, body: '{}' };
    await db.webhookDelivery.create({ id: newId('whd'), ...row, happenedAt: db.now(), dueAt: db.now() });
    await pass();
    expect(receiver.received).toHaveLength(1);
  });

  test('an endpoint that hangs keeps nobody waiting: neither others of its organization nor other organizations', async () => {
    const by = openDeliverer(server, { tryMs: 120_000 });
    const acme = await given();
    const hanging = await receiving();
    hanging.answer = () => undefined;
    for (let index = 0; index < 19; index += 1) await givenWebhook(acme.owner, hanging, ['repository.created']);
    const well = await receiving();
    await givenWebhook(acme.owner, well, ['repository.created']);
    const globex = await givenHook();
    await createRepositories(acme.id, 1000);
    await createRepository(globex.acme.owner);
    for (const id of [acme.id, globex.acme.id]) await sealAll(server, id);
    const stop = new AbortController();
    await by.round(stop.signal);
    // Every one that hangs has what it can have, and has it still.
    await eventually(() => (hanging.open() === 95 ? true : undefined));
    await eventually(() => (globex.receiver.received.length === 1 && well.received.length >= 100 ? true : undefined));
    expect(hanging.open()).toBe(95);
    stop.abort();
    await hanging.close();
    await by.close();
  });

  test('a hundred that hang, of several organizations, keep nobody waiting once it is known that they do', async () => {
    const hanging = await receiving();
    hanging.answer = () => undefined;
    const well = await receiving();
    const theirs = await Promise.all(Array.from({ length: 6 }, given));
    await Promise.all(
      theirs.map(async ({ owner }) => {
        for (let hook = 0; hook < 19; hook += 1) await givenWebhook(owner, hanging, ['repository.created']);
      }),
    );
    const happen = async (ofThese: readonly GivenOrganization[]) => {
      for (const { id } of ofThese) {
        await createRepositories(id, 5);
        await sealAll(server, id);
      }
    };
    await happen(theirs);
    const once = openDeliverer(server, { tryMs: 100 });
    await eventually(async () => {
      await once.round(new AbortController().signal);
      await once.close();
      const { rows } = await server.database.pool.queryAsLoginRole(
        'select count(distinct webhook_id)::int as hung from webhook_attempt where org_id = any ($1)',
        [theirs.map(({ id }) => id)],
      );
      return rows[0]?.['hung'] === 114 ? true : undefined;
    });

    // However long that took: what is tried again is none of what comes now.
    for (const { id } of theirs) {
      const db = server.database.organizationDb(id, byTest);
      const dueAt = new Date(db.now().getTime() + 3_600_000);
      await db.webhookDelivery.updateMany({}, { dueAt });
      await db.dueWork.updateMany({ kind: 'webhook' }, { dueAt });
    }
    const by = openDeliverer(server, { tryMs: 120_000 });
    const stop = new AbortController();
    const [acme, ...others] = theirs as [GivenOrganization, ...GivenOrganization[]];
    // Ten of one organization, each with five, and fifty of all.
    for (const [each, open] of [[[acme], 50] as const, [others, 250] as const]) {
      await happen(each);
      await by.round(stop.signal);
      await eventually(async () => {
        const rows = (await Promise.all(each.map(({ id }) => workOf(server, id)))).flat();
        const isSettled = rows.length === 19 * each.length && rows.filter(({ takenAt }) => takenAt).length <= open / 5;
        return isSettled && hanging.open() === open ? true : undefined;
      });
    }
    // One of an organization whose others hang, and one of another.
    const globex = await givenHook();
    await givenWebhook(acme.owner, well, ['repository.created']);
    await createRepository(acme.owner);
    await createRepository(globex.acme.owner);
    for (const { id } of [acme, globex.acme]) await sealAll(server, id);
    await eventually(async () => {
      await by.round(stop.signal);
      return well.received.length > 0 && globex.receiver.received.length > 0 ? true : undefined;
    }, 40_000); // work that takes a minute is over
    expect(hanging.open()).toBe(250);
    stop.abort();
    await hanging.close();
    await by.close();
    for (const { id } of theirs) await server.database.organizationDb(id, byTest).dueWork.delete({ kind: 'webhook' });
  });

  test('of two replicas one delivers', async () => {
    const { acme, receiver, by } = await givenHook();
    const other = openDeliverer(server);
    receiver.answer = (response) => void setTimeout(() => response.writeHead(204).end(), 20);
    await createRepositories(acme.id, 40);
    await sealAll(server, acme.id);
    for (let round = 0; round < 20 && (await workOf(server, acme.id)).length > 0; round += 1) {
      const rows = await workOf(server, acme.id);
      for (const { id } of rows) [by, other].forEach((each) => each.dispatch({ orgId: acme.id, id }));
      await Promise.all([by.close(), other.close()]);
    }
    expect(receiver.received).toHaveLength(40);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(40);
  });
});

describe('whoever manages webhooks', () => {
  const ROTATE =
    'mutation ($id: ID!, $hours: Int) { rotateWebhookSecret(id: $id, overlapHours: $hours) { secret webhook { previousSecretUntil } } }';

  test('changes the secret, and both sign meanwhile', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    const { data } = await acme.owner(ROTATE, { id: hook.id, hours: 2 });
    const secret = data.rotateWebhookSecret?.secret as string;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{32}$/);
    await createRepository(acme.owner);
    await pass();
    const [both] = receiver.received;
    if (!both) throw new Error('nothing came');
    for (const each of [hook.secret, secret]) expect(verified(each, both)).toEqual(both.event);
    server.database.pool.clock.advance(2 * 3_600_000 + 1000);
    await createRepository(acme.owner);
    await pass();
    const [, one] = receiver.received;
    if (!one) throw new Error('nothing came');
    expect(verified(secret, one)).toEqual(one.event);
    expect(() => verified(hook.secret, one)).toThrow();
    const now = await acme.owner(ROTATE, { id: hook.id, hours: 0 });
    expect(now.data.rotateWebhookSecret?.webhook.previousSecretUntil).toBeNull();
    for (const hours of [-1, 169])
      expect(argumentOf(await acme.owner(ROTATE, { id: hook.id, hours }))).toEqual(['BAD_USER_INPUT', 'overlapHours']);
    // At rest, and wherever else it could be read.
    const row = await db.webhook.get({ id: hook.id });
    for (const each of [secret, hook.secret]) {
      expect(JSON.stringify([row.secret, row.previousSecret])).not.toContain(each.slice(6));
      expect(server.logs.join('')).not.toContain(each.slice(6));
    }
  });

  test('tests one, has an event sent again, and all of it from a moment on', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    const tested = await acme.owner(
      'mutation ($id: ID!) { testWebhook(id: $id) { deliveryId event sequence webhook { id } } }',
      { id: hook.id },
    );
    expect(tested.data.testWebhook).toMatchObject({ event: 'webhook.test', sequence: null, webhook: { id: hook.id } });
    await eventually(() => (receiver.received.length === 1 ? true : undefined));
    expect(verified(hook.secret, receiver.received[0] as never)).toMatchObject({
      type: 'webhook.test',
      sequence: null,
    });

    await createRepository(acme.owner);
    await pass();
    const [, told] = receiver.received;
    const [attempt] = (await seen(acme.owner, hook.id)).attempts;
    const REDELIVER = 'mutation ($id: ID!) { redeliver(deliveryId: $id) { sequence } }';
    expect((await acme.owner(REDELIVER, { id: attempt?.deliveryId })).data.redeliver?.sequence).toBe(
      told?.event.sequence,
    );
    await eventually(() => (receiver.received.length === 3 ? true : undefined));
    expect(receiver.received[2]?.body).toBe(told?.body);
    expect(codeOf(await acme.owner(REDELIVER, { id: newId('whd') }))).toBe('NOT_FOUND');
    expect(codeOf(await acme.owner(REDELIVER, { id: tested.data.testWebhook?.deliveryId }))).toBe('NOT_FOUND');

    const REPLAY = 'mutation ($id: ID!, $from: DateTime!) { replayWebhook(id: $id, from: $from) { id } }';
    const from = (ms: number) =>
      acme.owner(REPLAY, { id: hook.id, from: new Date(db.now().getTime() + ms).toISOString() });
    const DAYS_MS = 30 * 86_400_000;
    expect(argumentOf(await from(-DAYS_MS - 1000))).toEqual(['BAD_USER_INPUT', 'from']);
    expect(argumentOf(await from(60_000))).toEqual(['BAD_USER_INPUT', 'from']);
    const before = receiver.received.length;
    expect((await from(-DAYS_MS + 60_000)).errors).toEqual([]);
    // Also what its organization was made with, before there was a webhook.
    await eventually(() => (receiver.received.length >= before + 2 ? true : undefined));
    expect(receiver.received.slice(before).map(({ body }) => body)).toContain(told?.body);

    await acme.owner('mutation ($id: ID!) { updateWebhook(input: { id: $id, status: DISABLED }) { id } }', {
      id: hook.id,
    });
    expect(codeOf(await from(-1000))).toBe('CONFLICT');
    expect(codeOf(await acme.owner(REDELIVER, { id: attempt?.deliveryId }))).toBe('CONFLICT');
    await acme.owner('mutation ($id: ID!) { testWebhook(id: $id) { event } }', { id: hook.id });
    await eventually(() => (receiver.received.at(-1)?.event.type === 'webhook.test' ? true : undefined));
  });

  test('tests one a few times at once', async () => {
    const { acme, receiver, hook } = await givenHook();
    const answers: (() => void)[] = [];
    receiver.answer = (response) => void answers.push(() => response.writeHead(204).end());
    const TEST = 'mutation ($id: ID!) { testWebhook(id: $id) { event } }';
    const codes: unknown[] = [];
    for (let times = 0; times < 6; times += 1) codes.push(codeOf(await acme.owner(TEST, { id: hook.id })));
    expect(codes).toEqual([[], [], [], [], [], 'CONFLICT']);
    receiver.answer = (response) => void response.writeHead(204).end();
    await eventually(() => (answers.length > 0 ? true : undefined));
    for (const answer of answers) answer();
    await eventually(() => (receiver.received.length === 5 ? true : undefined));
  });

  test('has one that is behind told what it was not told yet, from whatever moment on it is replayed', async () => {
    const { acme, receiver, hook, db } = await givenHook();
    await createRepositories(acme.id, 3);
    await sealAll(server, acme.id);
    await wait(20);
    const from = db.now().toISOString();
    const REPLAY = 'mutation ($id: ID!, $from: DateTime!) { replayWebhook(id: $id, from: $from) { id } }';
    expect((await acme.owner(REPLAY, { id: hook.id, from })).errors).toEqual([]);
    await eventually(() => (receiver.received.length === 3 ? true : undefined));
  });

  test('a replay begins on the right side of its moment', async () => {
    const { acme, receiver, hook, pass, db } = await givenHook();
    await createRepositories(acme.id, 3);
    await pass();
    await wait(20);
    const { rows } = await server.database.pool.queryAsLoginRole('select clock_timestamp()::text as at');
    await wait(20);
    await createRepositories(acme.id, 3);
    await pass();
    const all = receiver.received.map(({ event }) => event.sequence ?? 0);
    receiver.received.length = 0;
    const moment = new Date(rows[0].at as string);
    await db.webhook.get({ id: hook.id });
    await acme.owner('mutation ($id: ID!, $from: DateTime!) { replayWebhook(id: $id, from: $from) { id } }', {
      id: hook.id,
      from: moment.toISOString(),
    });
    await eventually(() => (receiver.received.length === 3 ? true : undefined));
    expect(receiver.received.map(({ event }) => event.sequence ?? 0).toSorted((a, b) => a - b)).toEqual(
      all.toSorted((a, b) => a - b).slice(3),
    );
  });

  test('is an ADMIN and a person, where the organization has the feature, and makes twenty', async () => {
    const acme = await given();
    const CREATE =
      'mutation ($events: [String!]!) { createWebhook(input: { url: "https://203.0.113.9/", events: $events }) { webhook { id } } }';
    const key = await givenKey(server, acme.owner, ['repository:read']);
    for (const client of [acme.developer, acme.viewer, server.withToken(key.secret)]) {
      expect(codeOf(await client(CREATE, { events: ['*'] }))).toBe('FORBIDDEN');
      expect(codeOf(await client('{ webhooks { nodes { id } } }'))).toBe('FORBIDDEN');
      expect(codeOf(await client('{ webhookEventTypes { name } }'))).toBe('FORBIDDEN');
    }
    for (const events of [
      [],
      ['repository.created', 'repository.created'],
      ['*', 'repository.created'],
      ['repository.create'],
      ['repository.read'],
    ]) {
      expect([events, codeOf(await acme.admin(CREATE, { events }))]).toEqual([events, 'BAD_USER_INPUT']);
    }
    const { data } = await acme.admin('{ webhookEventTypes { name description example } }');
    const types = data.webhookEventTypes ?? [];
    expect(types.length).toBeGreaterThan(50);
    for (const { name, example } of types)
      expect(example).toMatchObject({ type: name, data: { organizationId: acme.id } });
    expect((await acme.admin(CREATE, { events: types.map(({ name }: { name: string }) => name) })).errors).toEqual([]);

    const made = await Promise.all(Array.from({ length: 25 }, () => acme.admin(CREATE, { events: ['*'] })));
    expect(made.filter(({ errors }) => errors.length === 0)).toHaveLength(19);
    expect(new Set(made.filter(({ errors }) => errors.length > 0).map(codeOf))).toEqual(new Set(['CONFLICT']));

    const sam = await givenAdministrator(server);
    await sam(
      `mutation { setEntitlements(input: { organizationId: "${acme.id}", features: [{ name: "webhooks", enabled: false }] }) { id } }`,
    );
    const refused = await acme.admin(CREATE, { events: ['*'] });
    expect([codeOf(refused), refused.errors[0]?.extensions['feature']]).toEqual(['FEATURE_DISABLED', 'webhooks']);
    const id = made.find(({ errors }) => errors.length === 0)?.data.createWebhook?.webhook.id;
    expect((await acme.admin('mutation ($id: ID!) { deleteWebhook(id: $id) }', { id })).data.deleteWebhook).toBe(id);
  });

  test('deletes one that is being sent to', async () => {
    const { acme, receiver, hook, by, db } = await givenHook();
    let answer: () => void = () => undefined;
    receiver.answer = (response) => (answer = () => void response.writeHead(500).end());
    await createRepository(acme.owner);
    const passing = deliver(server, acme.id, by);
    await eventually(() => (receiver.received.length === 1 ? true : undefined));
    expect((await acme.owner('mutation ($id: ID!) { deleteWebhook(id: $id) }', { id: hook.id })).errors).toEqual([]);
    answer();
    await passing;
    expect([
      await db.webhook.count({}),
      await db.webhookAttempt.count({}),
      (await workOf(server, acme.id)).length,
    ]).toEqual([0, 0, 0]);
    expect(by.ended.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
  });
});

describe('an organization', () => {
  test.each(['SUSPENDED', 'PENDING_DELETION'])('that is %s sends nothing, and goes on from there', async (status) => {
    const { acme, receiver, pass } = await givenHook();
    const isLeaving = status === 'PENDING_DELETION';
    const set = async (to: string) => {
      await server.database.pool.queryAsLoginRole(
        `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))
         update organization set status = $2 from act where id = $1`,
        [acme.id, to],
      );
    };
    await createRepository(acme.owner);
    if (isLeaving) {
      const asked = await acme.owner(
        'mutation ($slug: String!) { requestOrganizationDeletion(confirm: $slug) { status } }',
        { slug: acme.slug },
      );
      expect(asked.errors).toEqual([]);
    } else await set(status);
    await sealAll(server, acme.id);
    const [due] = await workOf(server, acme.id);
    const by = openDeliverer(server);
    by.dispatch({ orgId: acme.id, id: due?.id ?? '' });
    await by.workOff();
    expect(receiver.received).toEqual([]);
    if (isLeaving) expect((await acme.owner('mutation { cancelOrganizationDeletion { status } }')).errors).toEqual([]);
    else await set('ACTIVE');
    await openDeliverer(server).workOff(); // what stopped goes on
    await pass();
    expect(receiver.received).toHaveLength(1);
  });

  test('that is suspended in the middle of it sends no more than is under way', async () => {
    const { acme, receiver } = await givenHook();
    const suspend = server.database.pool.queryAsLoginRole.bind(server.database.pool);
    let suspended: Promise<unknown> | null = null;
    receiver.answer = (response) => {
      suspended ??= suspend(
        `with act as materialized (select set_config('app.act', '{"kind":"SYSTEM","name":"test"}', true))
         update organization set status = 'SUSPENDED' from act where id = $1`,
        [acme.id],
      );
      void suspended.then(() => response.writeHead(204).end());
    };
    await createRepositories(acme.id, 15);
    await sealAll(server, acme.id);
    const [due] = await workOf(server, acme.id);
    const by = openDeliverer(server);
    by.dispatch({ orgId: acme.id, id: due?.id ?? '' });
    await by.close();
    expect(receiver.received).toHaveLength(5);
    expect(await workOf(server, acme.id)).toHaveLength(1);
  });

  test('that has not the feature any more sends nothing', async () => {
    const { acme, receiver, pass } = await givenHook();
    const sam = await givenAdministrator(server);
    const set = (enabled: boolean) =>
      sam(
        `mutation { setEntitlements(input: { organizationId: "${acme.id}", features: [{ name: "webhooks", enabled: ${enabled} }] }) { id } }`,
      );
    await set(false);
    await createRepository(acme.owner);
    await pass();
    expect(receiver.received).toEqual([]);
    await set(true);
    await passToNextTry(server, acme.id);
    await pass();
    expect(receiver.received).toHaveLength(1);
  });
});
