import { setImmediate as othersTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { RequestContext } from '../../../src/context/context.js';
import { OrgateError } from '../../../src/errors.js';
import { chargeOnceLeft } from '../../../src/gateway/http/limit-requests.js';
import {
  createRateLimits,
  RATE_LIMITS,
  type RateLimit,
  type RateLimits,
} from '../../../src/gateway/http/rate-limits.js';
import { givenKey } from '../../support/api-key.js';
import { givenMember, givenOrganization, unique } from '../../support/given.js';
import { connectBeside, whileLocked } from '../../races/interleave.js';
import { eventually } from '../../support/mail.js';
import { startRedis } from '../../support/redis.js';
import { type Answer, type Client, codeOf, isPostgres, startServer, useServer } from '../../support/server.js';

const LEFT = '{ rateLimit { cost limit remaining resetAt } repositories(first: 50) { nodes { id name } } }';
/** Who waits for the table of repositories. */
const WAITING = "select from pg_locks where not granted and relation = 'repository'::regclass";
const WHO = '{ viewer { role } }';

/** What the headers say: `"points";r=…;t=…` and `"points";q=…;w=60`. */
function headersOf({ headers }: Answer): { limit: number; remaining: number; seconds: number } {
  const [, remaining, seconds] = /^"points";r=(\d+);t=(\d+)$/.exec(headers.get('ratelimit') ?? '') ?? [];
  const [, limit] = /^"points";q=(\d+);w=60$/.exec(headers.get('ratelimit-policy') ?? '') ?? [];
  return { limit: Number(limit), remaining: Number(remaining), seconds: Number(seconds) };
}

describe('points', () => {
  const server = useServer({ env: { RATE_LIMIT_PERSON_POINTS: '30000', QUERY_MAX_COST: '15000' } });

  test('are told by rateLimit and by the headers, which say the same', async () => {
    const { owner } = await givenOrganization(server);
    const before = headersOf(await owner(LEFT));
    const answer = await owner(LEFT);
    const { cost, limit, remaining, resetAt } = answer.data.rateLimit;
    // One for the request, nine selections of the document, five for rateLimit, and 50 rows of nodes { id name }.
    expect(cost).toBe(1 + 9 + 5 + 1 + 50 * (1 + 2));
    expect({ limit, remaining }).toEqual({ limit: 30_000, remaining: before.remaining - cost });
    expect(headersOf(answer)).toMatchObject({ limit, remaining });
    expect(new Date(resetAt).getTime() - Date.now()).toBeLessThan(60_000);
    expect(headersOf(answer).seconds).toBeLessThanOrEqual(60);
  });

  test('are more for what is counted and for what is searched, however it is asked for', async () => {
    const { owner } = await givenOrganization(server);
    const priceOf = async (list: string, rest = '', variables = {}) => {
      const head = rest.includes('$') ? 'query ($f: MembershipFilter) ' : '';
      const { data } = await owner(`${head}{ rateLimit { cost } members${list} } ${rest.replace('$', '')}`, variables);
      return data.rateLimit.cost as number;
    };
    const page = await priceOf('(first: 1) { nodes { role } }');
    const counted = await priceOf('(first: 1) { totalCount nodes { role } }');
    const spread = await priceOf(
      '(first: 1) { ...C nodes { role } }',
      'fragment C on MembershipConnection { totalCount }',
    );
    const searched = await priceOf('(first: 1, filter: { search: "zz" }) { nodes { role } }');
    expect([counted - page, searched - page]).toEqual([12, 10]);
    const leftOut = await priceOf('(first: 1) { totalCount @skip(if: true) nodes { role } }');
    expect(leftOut - page).toBeLessThan(10);
    expect(spread - page).toBeGreaterThan(10);
  });

  test('pay for one count, and it is made once, under however many names', async () => {
    const { owner } = await givenOrganization(server);
    const before = server.statements.length;
    const { data } = await owner('{ members(first: 0) { a: totalCount b: totalCount c: totalCount } }');
    const { a, b, c } = data.members;
    expect([a > 0, b, c]).toEqual([true, a, a]);
    const counts = server.statements.slice(before).filter(({ text }) => text.includes('count('));
    expect(counts).toHaveLength(1);
  });

  test('that are used up refuse the next operation with the same numbers, and run nothing of it', async () => {
    const { developer, owner } = await givenOrganization(server);
    const dear = '{ repositories(first: 100) { nodes { id name gitUrl branch description } } }';
    let answer = await developer(dear);
    for (let times = 0; times < 100 && answer.status === 200; times += 1) answer = await developer(dear);
    expect([answer.status, codeOf(answer), answer.data]).toEqual([429, 'RATE_LIMITED', null]);
    const extensions: Record<string, unknown> = answer.errors[0]?.extensions ?? {};
    const { remaining } = headersOf(answer);
    expect(extensions).toMatchObject({ limit: 30_000, remaining, cost: expect.any(Number) });
    expect(remaining).toBeLessThan(600);
    expect(Number(answer.headers.get('retry-after'))).toBe(extensions['retryAfter']);
    const many = Array.from({ length: 20 }, (_, index) => {
      const input = `{ name: "late-${index}", gitUrl: "https://git.example/x" }`;
      return `m${index}: createRepository(input: ${input}) { id }`;
    });
    for (let times = 0; times < 30; times += 1) answer = await developer(dear);
    const count = async () => (await owner('{ repositories { totalCount } }')).data.repositories.totalCount;
    const before = await count();
    expect((await developer(`mutation { ${many.join(' ')} }`)).status).toBe(429);
    expect(await count()).toBe(before);
  });

  test('pay for a document that is refused, by what that took', async () => {
    const { viewer } = await givenOrganization(server);
    const variables = Array.from({ length: 900 }, (_, index) => `$v${index}: Int`).join(' ');
    const left = headersOf(await viewer(WHO)).remaining;
    const after = headersOf(await viewer(`query (${variables}) { viewer { role } }`)).remaining;
    expect(left - after).toBeGreaterThan(100);
  });

  // On the embedded database nothing else can hold a lock meanwhile.
  (isPostgres ? test : test.skip)('pay for what takes long in the database, beyond its price', async () => {
    const { owner, viewer } = await givenOrganization(server);
    const left = async (client: Client) => headersOf(await client(WHO)).remaining;
    const before = await left(viewer);
    const outside = await connectBeside();
    const waits = await whileLocked(outside, 'repository', async () => {
      const answer = viewer('{ rateLimit { cost } repositories(first: 1) { nodes { id } } }');
      await eventually(async () => (await outside.query(WAITING)).rows[0]);
      await new Promise((resolve) => setTimeout(resolve, 600));
      return { answer };
    });
    const answer = await waits.answer;
    await outside.end();
    expect([answer.errors, answer.data.rateLimit.cost < 100]).toEqual([[], true]);
    // At least three hundred milliseconds that were not free.
    expect(before - headersOf(answer).remaining).toBeGreaterThan(15_000);
    expect(before - (await left(viewer))).toBeGreaterThan(15_000);
    expect(before - (await left(owner))).toBeLessThan(15_000);
  });

  (isPostgres ? test : test.skip)(
    'do not pay for what keeps the thread busy while an answer waits for it',
    async () => {
      const { viewer } = await givenOrganization(server);
      const { remaining: before } = headersOf(await viewer(WHO));
      const from = server.statements.length;
      const asked = viewer('{ repositories(first: 1) { nodes { id } } }');
      while (!server.statements.slice(from).some(({ text }) => /from "?repository/.test(text))) await othersTurn();
      for (const until = performance.now() + 600; performance.now() < until;);
      const answer = await asked;
      expect(answer.errors).toEqual([]);
      expect(before - headersOf(answer).remaining).toBeLessThan(1000);
    },
  );

  test('tell nothing of what others have sent: a document costs the same, known here or not', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const text = (name: string) => `query ${name} { viewer { role } repositories(first: 3) { nodes { id name } } }`;
    await globex.owner(text('Known'));
    await globex.owner(text('Known'));
    const costs = [];
    for (const name of ['Known', 'Unknown', 'Known', 'Unknown']) {
      const before = headersOf(await acme.viewer(WHO)).remaining;
      costs.push(before - headersOf(await acme.viewer(text(name))).remaining);
    }
    expect(new Set(costs).size).toBe(1);
  });

  test('of a stranger are not counted, nor of an organization they only name', async () => {
    const acme = await givenOrganization(server);
    const headers = { 'x-organization-id': acme.slug };
    const answer = await server.post(JSON.stringify({ query: '{ __typename }' }), headers);
    expect(answer.headers.get('ratelimit')).toBeNull();
    expect(codeOf(await server.post(JSON.stringify({ query: '{ rateLimit { cost } }' })))).toBe('UNAUTHENTICATED');
  });
});

test('what is read on and on waits where too little is left, as long as it takes, and is charged once', async () => {
  const refused = new OrgateError('RATE_LIMITED', 'None is left.', { retryAfter: 7 });
  const asked: number[] = [];
  const limits = {
    count: (limit: RateLimit, _subject: string, points = 1) => {
      if (limit === 'personPoints') asked.push(points);
      if (asked.length < 3) throw refused;
      return null;
    },
  } as unknown as RateLimits;
  const context = {
    viewer: { person: { id: 'usr_1' }, session: { boundOrgId: null } },
    current: null,
    noteSpending() {},
  };
  const waited: number[] = [];
  const wait = (seconds: number) => Promise.resolve(void waited.push(seconds));
  await chargeOnceLeft(limits, 250, context as unknown as RequestContext, wait);
  expect([asked, waited]).toEqual([
    [250, 250, 250],
    [7, 7],
  ]);
});

describe('an operation for which too little is left', () => {
  // Four selections to read, and 100 rows of nodes { id name }.
  const DEAR = '{ repositories(first: 100) { nodes { id name } } }';
  const [READING, RUNNING] = [4, 1 + 100 * (1 + 2)];
  const env = { QUERY_MAX_COST: '1000', RATE_LIMIT_PERSON_POINTS: '2000', RATE_LIMIT_ORGANIZATION_POINTS: '2000' };
  const server = useServer({ env });
  const left = async (client: Client) => headersOf(await client(WHO)).remaining;
  /** Spends an organization's points until less is left than one more costs; what is left then. */
  async function almostSpent(clients: readonly Client[]): Promise<number> {
    for (;;) {
      for (const client of clients) {
        const remaining = await left(client);
        if (remaining <= RUNNING) return remaining;
        expect((await client(DEAR)).status).toBe(200);
      }
    }
  }

  test('takes no more than reading it did, of the organization or of who asks, and says whose minute lacks what', async () => {
    const [acme, globex] = [await givenOrganization(server), await givenOrganization(server, 'globex')];
    const viewer = await givenMember(server, acme, 'VIEWER');
    const elsewhere = await givenMember(server, globex, 'VIEWER', { email: viewer.email });
    const before = await almostSpent([acme.developer, acme.viewer, acme.admin]);
    const own = await left(elsewhere);
    const refused = await viewer(DEAR);
    const remaining = before - 1 - READING;
    expect([refused.status, refused.data, headersOf(refused)]).toMatchObject([429, null, { limit: 2000, remaining }]);
    expect(refused.errors[0]).toMatchObject({
      message: `Running this operation costs 301 points, and ${remaining} of this minute's 2,000 of this organization are left.`,
      extensions: { limit: 2000, remaining, cost: 1 + READING + RUNNING },
    });
    expect((await viewer('{ repositories(first: 20) { nodes { id name } } }')).status).toBe(200);
    expect(await left(elsewhere)).toBeGreaterThan(own - RUNNING);
  });

  test('takes as little of a person, who may spend the rest', async () => {
    const { viewer } = await givenOrganization(server);
    const before = await almostSpent([viewer]);
    const refused = await viewer(DEAR);
    expect([refused.status, headersOf(refused).remaining]).toEqual([429, before - 1 - READING]);
    expect(refused.errors[0]?.message).toMatch(
      /^Running this operation costs 301 points, and \d+ of .* of this person are left\.$/,
    );
    expect((await viewer(WHO)).status).toBe(200);
  });

  test('and however many are asked for at once, no more run than the minute holds', async () => {
    const acme = await givenOrganization(server);
    const before = await left(acme.developer);
    const spent = before - (await left(acme.developer));
    const members = [acme.owner, acme.developer, acme.viewer, acme.admin];
    const answers = await Promise.all(Array.from({ length: 16 }, (_, index) => (members[index % 4] as Client)(DEAR)));
    const ran = answers.filter(({ status }) => status === 200).length;
    expect(ran).toBeGreaterThan(1);
    expect(ran * RUNNING).toBeLessThan(before);
    expect(await left(acme.developer)).toBe(before - 2 * spent - 16 * (1 + READING) - ran * RUNNING);
  });

  test('when no point is left, it says so', async () => {
    const { viewer } = await givenOrganization(server);
    let answer: Answer = await viewer(WHO);
    while (answer.status === 200) answer = await viewer('{ repositories(first: 10) { nodes { id } } }');
    while (headersOf(answer).remaining > 0) answer = await viewer('{ repositories(first: 10) { nodes { id } } }');
    expect((await viewer(WHO)).errors[0]?.message).toBe("None of this minute's 2,000 points of this person are left.");
  });
});

describe('an organization’s points', () => {
  const server = useServer({ env: { RATE_LIMIT_ORGANIZATION_POINTS: '40000' } });

  test('are one for all its members and keys, whoever has less left is shown; others do not notice', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const { client: machine } = await givenKey(server, acme.owner, ['repository:read']);
    const dear = '{ repositories(first: 100) { nodes { id name gitUrl branch description } } }';
    const members = [acme.developer, acme.viewer, machine, await givenMember(server, acme, 'VIEWER')];
    let refused: Answer | undefined;
    for (let times = 0; times < 300 && (!refused || headersOf(refused).remaining > 0); times += 1) {
      const answer = await (members[times % members.length] as typeof machine)(dear);
      if (answer.status === 429) refused = answer;
    }
    expect(refused && headersOf(refused)).toMatchObject({ limit: 40_000, remaining: 0 });
    expect((await acme.admin(WHO)).status).toBe(429);
    expect((await globex.admin(WHO)).status).toBe(200);
  });

  test('are not touched by who is no member: a foreign name is refused before anything is charged', async () => {
    const acme = await givenOrganization(server);
    const { viewer: stranger } = await givenOrganization(server, 'globex');
    const spent = async () => {
      const before = headersOf(await acme.viewer(WHO)).remaining;
      return before - headersOf(await acme.viewer(WHO)).remaining;
    };
    const alone = await spent();
    const before = headersOf(await acme.viewer(WHO)).remaining;
    for (let times = 0; times < 5; times += 1) await stranger(WHO, {}, { 'x-organization-id': acme.slug });
    expect(before - headersOf(await acme.viewer(WHO)).remaining).toBe(alone);
    expect(headersOf(await acme.viewer(WHO)).limit).toBe(40_000);
  });
});

test('replicas count points together, and each on its own while Redis is gone; PostgreSQL never hears of them', async () => {
  const redis = await startRedis();
  const env = { REDIS_URL: redis.url, RATE_LIMIT_KEY_POINTS: '100000' };
  const replicas = [await startServer({ env }), await startServer({ env })] as const;
  const organization = await givenOrganization(replicas[0]);
  // Each replica trusts an issuer of its own here; a key is known to both.
  const { secret } = await givenKey(replicas[0], organization.owner, ['repository:read']);
  const remaining = async (replica: (typeof replicas)[number]) =>
    headersOf(await replica.withToken(secret)(WHO)).remaining;
  // A replica that Redis does not answer within a tenth of a second counts on its own: on a busy machine that may happen to
  // one request, and never to all.
  const together = [];
  for (let times = 0; times < 10; times += 1) {
    const first = await remaining(replicas[0]);
    together.push((await remaining(replicas[1])) < first);
  }
  expect(together).toContain(true);
  const before = replicas[0].statements.length;
  await redis.kill();
  expect((await replicas[0].withToken(secret)(WHO)).status).toBe(200);
  expect(replicas[0].statements.slice(before).filter(({ text }) => /point|limit_/i.test(text))).toEqual([]);
  for (const replica of replicas) await replica.close();
});

test('replicas give back together what was refused, and never let more run than the limit', async () => {
  const redis = await startRedis();
  const perMinute = Object.fromEntries(RATE_LIMITS.map((limit) => [limit, limit === 'keyPoints' ? 2000 : null]));
  const replica = () =>
    createRateLimits({
      perMinute: perMinute as Record<RateLimit, number | null>,
      redisUrl: redis.url,
      onRefused: () => undefined,
      onRedis: () => undefined,
    });
  const [one, two] = [replica(), replica()];
  /** Twenty operations at once, of 7 points to read and 293 to run each; then how many ran, and what is left. */
  const rush = async (): Promise<{ ran: number; left: number[] }> => {
    const subject = unique('key');
    const asked = Array.from({ length: 20 }, async (_, index) =>
      (index % 2 ? one : two).count('keyPoints', subject, 300, 293),
    );
    const ran = (await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled').length;
    const left = [];
    for (const each of [one, two]) left.push((await each.count('keyPoints', subject))?.remaining ?? NaN);
    return { ran, left };
  };
  // They connect first; and as above, now and then Redis does not answer in time.
  const seen: boolean[] = [];
  for (let times = 0; times < 300; times += 1) {
    const { ran, left } = await rush();
    const expected = 2000 - 20 * 7 - ran * 293;
    seen.push(ran > 0 && ran * 293 <= 2000 && left[0] === expected - 1 && left[1] === expected - 2);
    if (seen.at(-1)) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(seen).toContain(true);
  for (const each of [one, two]) each.close();
  await redis.kill();
});

test('an address without anyone signed in may ask GraphQL less often', async () => {
  const server = await startServer({ env: { RATE_LIMIT_STRANGER: '5' } });
  const ask = () => server.post(JSON.stringify({ query: '{ __typename }' }));
  for (let times = 0; times < 5; times += 1) expect((await ask()).status).toBe(200);
  expect((await ask()).status).toBe(429);
  const { viewer } = await givenOrganization(server);
  expect((await viewer(WHO)).status).toBe(200);
  await server.close();
});
