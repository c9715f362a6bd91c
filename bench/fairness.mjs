#!/usr/bin/env node
/**
 * What one organization feels of others: its median and 99th percentile alone, and while others do their worst. The built
 * gateway with its default settings, on PostgreSQL; `node bench/fairness.mjs`, after `npm run build`.
 */
import pg from 'pg';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from './servers/start.mjs';
import { readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';

const GROUP = 50_000;
const LOCK_SECONDS = 14;
const settings = { ...readSettings([]), organizations: 12 };

const world = await createWorld(settings, 'orgate_bench_fairness', 0);
const issuer = await openIssuer();
const asked = await readAsked(world, settings);
const organizations = await Promise.all(
  asked.map(async (each) => ({ ...each, token: await issuer.sign(each.subject, each.orgId) })),
);
const [quiet, ...noisy] = organizations;
const [worst] = noisy;
const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings });
const beside = new pg.Client({ connectionString: world.ownerUrl });
await beside.connect();
/** For what goes on during a trial, until it is told to end. */
let isOver = false;

async function ask(token, query, variables = {}) {
  const response = await fetch(`${gateway.url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  return { data, error: errors?.[0]?.extensions };
}

const READ = '{ repositories(first: 20) { totalCount nodes { id name } } }';
const WRITE = 'mutation ($d: String!) { updateOrganization(input: { description: $d }) { id } }';

/** Asks as the organization whose times count, a little at a time, while `others` goes on. */
async function measure(others) {
  isOver = false;
  const times = { reads: [], writes: [] };
  const refused = {};
  const kept = [];
  const work = async (kind, query) => {
    for (let round = 0; !isOver; round += 1) {
      const description = `${kind} ${round}`;
      const began = performance.now();
      const { error } = await ask(quiet.token, query, { d: description });
      times[kind].push(performance.now() - began);
      if (error) refused[error.code] = (refused[error.code] ?? 0) + 1;
      else if (kind === 'writes') kept[0] = description;
      await sleep(10);
    }
  };
  const asking = [work('reads', READ), work('reads', READ), work('writes', WRITE)];
  const told = await others();
  isOver = true;
  await Promise.all(asking);
  const { rows } = await beside.query('select description from organization where id = $1', [quiet.orgId]);
  return { times, refused, lost: rows[0].description === kept[0] ? 0 : 1, told };
}

/** Asks again and again as organizations that do as they are told: they come back when `retryAfter` is over. */
async function hammer(who, loops, queries) {
  const codes = {};
  await Promise.all(
    who.flatMap((each) =>
      Array.from({ length: loops }, async (_, loop) => {
        for (let round = loop; !isOver; round += 1) {
          const [query, variables] = queries[round % queries.length](each);
          const { error } = await ask(each.token, query, variables);
          const code = error?.code ?? 'answered';
          codes[code] = (codes[code] ?? 0) + 1;
          if (error) await sleep((error.retryAfter ?? 0.1) * 1000);
        }
      }),
    ),
  );
  return codes;
}

async function whileLocked(seconds, lock, work) {
  await beside.query('begin');
  await beside.query(lock);
  await sleep(seconds * 1000);
  await beside.query('rollback');
  isOver = true;
  return work;
}

const RUNS = [
  () => ['{ runs(first: 20) { totalCount nodes { id status agent { name } } } }', {}],
  ({ agentId }) => ['mutation ($a: ID!) { startRun(input: { agentId: $a }) { id } }', { a: agentId }],
  ({ runId }) => [PROGRESS, { id: runId }],
];
const PROGRESS = 'mutation ($id: ID!) { recordRunProgress(id: $id, input: {}) { id } }';
for (const each of noisy) {
  const { rows } = await beside.query('select id, agent_id from run where org_id = $1 limit 1', [each.orgId]);
  Object.assign(each, { runId: rows[0].id, agentId: rows[0].agent_id });
}

/** A directory with so many users, made straight in the store. */
async function openDirectory() {
  const make = 'mutation { createScimDirectory(input: { name: "big" }) { token directory { id } } }';
  const { data, error } = await ask(worst.token, make);
  if (error) throw new Error(JSON.stringify(error));
  const { token, directory } = data.createScimDirectory;
  await beside.query(`
    insert into membership (org_id, user_id, email, name, role, status, joined_at)
    select '${worst.orgId}', 'usr_big' || n, 'big' || n || '@x.example', 'Big ' || n, 'VIEWER', 'ACTIVE', now()
    from generate_series(1, ${GROUP}) as n`);
  await beside.query(`
    insert into scim_user (org_id, id, directory_id, user_id, user_name)
    select '${worst.orgId}', 'scu_big' || n, '${directory.id}', 'usr_big' || n, 'big' || n from generate_series(1, ${GROUP}) as n`);
  return async (method, path, body) => {
    const began = performance.now();
    const response = await fetch(`${gateway.url}/scim/v2${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/scim+json' },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      seconds: (performance.now() - began) / 1000,
      id: /"id":"(scg_\w+)"/.exec(text)?.[1],
    };
  };
}
const directory = await openDirectory();
const members = (from, to) =>
  Array.from({ length: to - from }, (_, index) => ({ value: `scu_big${from + index + 1}` }));

const TRIALS = {
  quiet: () => sleep(12_000),
  'a table locked, ten organizations at it': async () => {
    const hammering = hammer(noisy.slice(0, 10), 4, RUNS);
    await sleep(500);
    return whileLocked(LOCK_SECONDS, 'lock table run in access exclusive mode', hammering);
  },
  'the same ten, nothing locked': async () => {
    const hammering = hammer(noisy.slice(0, 10), 4, RUNS);
    await sleep(8000);
    isOver = true;
    return hammering;
  },
  [`a group of ${GROUP} beside 30 progress reports`]: async () => {
    const reports = hammer([worst], 30, [RUNS[2]]);
    const made = await directory('POST', '/Groups', { displayName: 'Everyone', members: members(0, GROUP) });
    const half = { op: 'replace', path: 'members', value: members(0, GROUP / 2) };
    const changed = await directory('PATCH', `/Groups/${made.id}`, { Operations: [half] });
    isOver = true;
    return { ...(await reports), made, changed };
  },
  'the pool full of one organization': async () => {
    const hammering = hammer([worst], 60, [RUNS[0]]);
    await sleep(8000);
    isOver = true;
    return hammering;
  },
  'the queue of one organization full': async () => {
    const hammering = hammer([worst], 700, [RUNS[2]]);
    const row = `select from organization where id = '${worst.orgId}' for update`;
    return whileLocked(8, row, hammering);
  },
};

const at = (times, share) => times.toSorted((a, b) => a - b)[Math.floor(times.length * share)] ?? Number.NaN;
let base;
const figures = {};
for (const [name, others] of Object.entries(TRIALS)) {
  const { times, refused, lost, told } = await measure(others);
  figures[name] = { refused, lost, told };
  for (const kind of ['reads', 'writes']) {
    const [p50, p99] = [at(times[kind], 0.5), at(times[kind], 0.99)];
    figures[name][kind] = { count: times[kind].length, p50, p99, max: Math.max(...times[kind]) };
  }
  base ??= figures[name];
  const line = ['reads', 'writes'].map((kind) => {
    const { count, p50, p99, max } = figures[name][kind];
    const ratio = (p99 / base[kind].p99).toFixed(2);
    return `${kind} ${count}: p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} max ${max.toFixed(0)} ms, p99 × ${ratio}`;
  });
  console.log(
    `${name}\n  ${line.join('\n  ')}\n  refused ${JSON.stringify(refused)}, lost ${lost}; others ${JSON.stringify(told ?? {})}`,
  );
  await sleep(1000);
}

await beside.end();
await gateway.stop();
await dropWorld(settings, world);
issuer.close();
