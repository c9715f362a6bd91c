#!/usr/bin/env node
/**
 * What usage and limits cost: events recorded one by one and in batches, runs started with a limit and without by turns, and
 * the same reads of a ledger of 10,000 events and of 10 million. `npm run bench:usage`.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { availableParallelism, cpus } from 'node:os';
import { ask } from './measure/ask.mjs';
import { startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';

const flags = process.argv.slice(2);
const [isQuick, isWritten] = ['--quick', '--write'].map((flag) => flags.includes(flag));
if (flags.some((flag) => !['--quick', '--write'].includes(flag))) {
  console.error('npm run bench:usage -- [--quick] [--write]');
  process.exit(2);
}
if (!existsSync(`${PROJECT}dist/main.js`)) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(2);
}
const ROUNDS = isQuick ? 3 : 6;
const SECONDS = isQuick ? 2 : 4;
const LOOPS = 16;
const BATCH = 500;
const FEW = 10_000;
const MANY = isQuick ? 1_000_000 : 10_000_000;
const READS = isQuick ? 100 : 300;
const settings = { ...readSettings([]), organizations: 12 };

const RECORD = 'mutation ($input: RecordUsageInput!) { recordUsage(input: $input) { duplicate } }';
const RECORD_BATCH =
  'mutation ($input: [RecordUsageInput!]!) { recordUsageBatch(input: $input) { outcomes { duplicate error { code } } } }';
const START = 'mutation ($input: StartRunInput!) { startRun(input: $input) { id } }';
const LIMIT = 'mutation ($input: SetCostLimitsInput!) { setCostLimits(input: $input) { hardStopAtLimit } }';
const READ = {
  'the totals of a month': `{ organizationUsage(period: "2026-10") { totalTokens totalCostMicros metrics { metric quantity costMicros } } }`,
  'its days by agent': `{ usageByDay(from: "2026-10-01", to: "2026-10-31", by: AGENT) { day key costMicros } }`,
  'the first page of events': `{ usageEvents(first: 50) { nodes { id day metric quantity costMicros } } }`,
};
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

const agent = new Agent({ keepAlive: true, maxSockets: LOOPS });
const undo = [];
let count = 0;
const event = () => ({
  idempotencyKey: `bench-${process.pid}-${(count += 1)}`,
  metric: 'images',
  quantity: 1,
  costMicros: 100,
});

/** What the runs of an organization reported, as the triggers would have left it: a hundred agents over the days of a month. */
const fill = async (owner, orgId, events) => {
  await owner.query('set session_replication_role = replica');
  await owner.query(
    `insert into usage_event (org_id, id, metric, quantity, cost_micros, occurred_at, recorded_at, day, reported, run_id, agent_id, created_by)
     select $1, 'use_' || lpad(n::text, 26, '0'), 'tokens', 100 + n % 900, 300 + n % 900, at, at, to_char(at, 'YYYY-MM-DD'), true,
            'run_' || n / 4, 'agt_' || n % 100, 'usr_' || n % 10
     from generate_series(1, $2::bigint) as n, lateral (select timestamptz '2026-10-01 00:00+00' + n * (interval '31 days' / ($2 + 1)) as at) as recorded`,
    [orgId, events],
  );
  await owner.query(
    `insert into usage_total (org_id, day, metric, quantity, cost_micros)
     select org_id, day, metric, sum(quantity), sum(cost_micros) from usage_event where org_id = $1 group by 1, 2, 3`,
    [orgId],
  );
  await owner.query(
    `insert into usage_share (org_id, dimension, day, key, metric, quantity, cost_micros)
     select org_id, 'AGENT', day, agent_id, metric, sum(quantity), sum(cost_micros) from usage_event where org_id = $1 group by 1, 2, 3, 4, 5`,
    [orgId],
  );
  await owner.query('set session_replication_role = origin');
  await owner.query('vacuum (freeze, analyze) usage_event, usage_total, usage_share');
};

try {
  const world = await createWorld(settings, 'orgate_bench_usage', 0);
  undo.push(() => dropWorld(settings, world));
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  const asked = await readAsked(world, settings);
  const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings });
  undo.push(() => gateway.stop());
  const clientOf = async ({ orgId, subject }) => {
    const token = await issuer.sign(subject, orgId);
    return async (query, variables) => {
      const { data, errors } = await ask(agent, gateway.url, token, query, variables);
      if (errors) throw new Error(JSON.stringify(errors));
      return data;
    };
  };
  /** @returns how often in a second */
  const measure = async (each, loops = LOOPS) => {
    let done = 0;
    const began = performance.now();
    const loop = async () => {
      while (performance.now() - began < SECONDS * 1000) {
        await each();
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: loops }, loop));
    return (done * 1000) / (performance.now() - began);
  };

  const recorder = await clientOf(asked[0]);
  const one = () => recorder(RECORD, { input: event() });
  const batch = () => recorder(RECORD_BATCH, { input: Array.from({ length: BATCH }, event) });
  for (const each of [one, batch]) await measure(each);
  const ingestion = { one: [], batch: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    ingestion.one.push(await measure(one));
    ingestion.batch.push((await measure(batch, 4)) * BATCH);
  }
  console.log(ingestion);

  const starter = await clientOf(asked[1]);
  const { agents } = await starter('{ agents(first: 1) { nodes { id } } }');
  const start = () => starter(START, { input: { agentId: agents.nodes[0].id, estimatedCostMicros: 1 } });
  const limit = (monthlyLimitMicros) => starter(LIMIT, { input: { monthlyLimitMicros } });
  await measure(start);
  const admission = { with: [], without: [], ratios: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const pair = {};
    for (const isOn of round % 2 === 0 ? [true, false] : [false, true]) {
      await limit(isOn ? 1e12 : null);
      pair[isOn ? 'with' : 'without'] = await measure(start);
    }
    for (const which of ['with', 'without']) admission[which].push(pair[which]);
    admission.ratios.push(pair.with / pair.without);
  }
  console.log(admission);

  const [few, many] = [asked[2], asked[3]];
  await fill(world.owner, few.orgId, FEW);
  await fill(world.owner, many.orgId, MANY);
  const readers = { few: await clientOf(few), many: await clientOf(many) };
  const reads = {};
  for (const [name, query] of Object.entries(READ)) {
    const times = { few: [], many: [] };
    for (let read = 0; read < READS; read += 1) {
      for (const which of read % 2 === 0 ? ['few', 'many'] : ['many', 'few']) {
        const began = performance.now();
        await readers[which](query);
        if (read >= 20) times[which].push(performance.now() - began);
      }
    }
    reads[name] = { few: median(times.few), many: median(times.many) };
  }
  console.log(reads);

  const { rows } = await world.owner.query('show server_version');
  const what = `${new Date().toISOString().slice(0, 10)}; ${availableParallelism()} cores of ${cpus()[0].model.trim()}, Node.js ${process.version}, PostgreSQL ${rows[0].server_version}`;
  const whole = (number) => Math.round(number).toLocaleString('en');
  const range = (list) => `${Math.min(...list).toFixed(2)}–${Math.max(...list).toFixed(2)}`;
  const lines = Object.entries(reads).map(
    ([name, { few: less, many: more }]) =>
      `| ${name} | ${less.toFixed(1)} | ${more.toFixed(1)} | ×${(more / less).toFixed(2)} |`,
  );
  const text = `# What usage and limits cost

\`npm run bench:usage\`${isQuick ? ' with `--quick`' : ''} (${what}): gateway, database and clients share the machine; ${ROUNDS} rounds of ${SECONDS} s, medians.

**Ingestion** of one organization: ${whole(median(ingestion.one))} events a second one by one by ${LOOPS} clients, ${whole(median(ingestion.batch))} in batches of ${BATCH} by 4.

**Admission** by ${LOOPS} clients of one organization, all of whom wait for the same row where it has a limit: ${whole(median(admission.with))} runs a second with it and
${whole(median(admission.without))} without, by turns: ×${median(admission.ratios).toFixed(2)} (${range(admission.ratios)}).

**Reads** of a ledger, through the door, by turns:

| read | ${whole(FEW)} events, ms | ${whole(MANY)} events, ms | ratio |
| :--- | ---: | ---: | ---: |
${lines.join('\n')}
`;
  mkdirSync(`${BENCH}results/quick`, { recursive: true });
  writeFileSync(`${BENCH}results/${isWritten ? '' : 'quick/'}usage.md`, text);
  console.log(text);
} catch (error) {
  console.error(error);
  process.exitCode = 2;
} finally {
  for (const step of undo.toReversed()) await Promise.resolve(step()).catch((error) => console.error(error.message));
}
process.exit();
