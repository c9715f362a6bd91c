#!/usr/bin/env node
/**
 * What a claim costs beside a plain FIFO one that does the same to as many runs, whether it grows with the queue, and how claims are
 * shared between organizations. `npm run bench:claims`; with `--explain` the plans of one claim.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, open } from './world/database.mjs';

const flags = process.argv.slice(2);
const [isQuick, isWritten, isExplained] = ['--quick', '--write', '--explain'].map((flag) => flags.includes(flag));
if (flags.some((flag) => !['--quick', '--write', '--explain'].includes(flag))) {
  console.error('npm run bench:claims -- [--quick] [--write] [--explain]');
  process.exit(2);
}
if (!existsSync(`${PROJECT}dist/main.js`)) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(2);
}
const QUEUES = [500, 20_000, 100_000];
const AT_ONCE = [1, 10];
const ROUNDS = isQuick ? 5 : 15;
/** Claims of each kind in a round, one of each by turns. */
const TURNS = 20;
const OTHERS = 200;
const settings = { ...readSettings([]), organizations: OTHERS + 1, repositories: 1, runs: 0, members: 1 };
const PLANS = JSON.stringify({ FREE: { weight: 1 }, TEAM: { weight: 3 }, ENTERPRISE: { weight: 9 } });
const ACT = JSON.stringify({ kind: 'EXECUTOR', id: 'exe_bench', name: 'bench' });
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

const undo = [];
let claims = 0;
const newIds = (count) => Array.from({ length: count }, () => `clm_${String((claims += 1)).padStart(22, '0')}`);

/**
 * The oldest ones of one organization, begun as a claim begins them.
 * The walls and the triggers are the same: what is compared is how runs are chosen.
 */
const FIFO = `
  with picked as materialized (
    select id, row_number() over () as place from (
      select id from run where org_id = $1 and status = 'QUEUED' order by created_at limit $2 for update skip locked) as oldest
  ), begun as (
    update run set status = 'RUNNING', started_at = coalesce(started_at, current_timestamp), attempts = attempts + 1, claim_id = ($3::text[])[place],
      reported_at = current_timestamp, updated_at = current_timestamp
    from picked where org_id = $1 and run.id = picked.id returning run.id, attempts, claim_id
  )
  insert into run_claim (org_id, id, run_id, attempt, token_hash, executor_id, lease_seconds, claimed_at, expires_at)
  select $1, claim_id, id, attempts, 'hash', 'exe_bench', 60, current_timestamp, current_timestamp + interval '60 seconds' from begun
  returning run_id`;
/** The same among all organizations: whoever chooses sees all of them, and each run is begun in its organization's own frame. */
const FIFO_AMONG = `
  create function bench_fifo(most integer, ids text[]) returns table (claimed_org text, claimed_run text) language plpgsql as $$
  declare
    picked record;
    place integer := 0;
    its_attempt integer;
  begin
    for picked in select org_id, run_id from run_queue order by created_at limit most for update skip locked loop
      place := place + 1;
      perform set_config('role', 'orgate_app', true), set_config('app.org_id', picked.org_id, true);
      update run set status = 'RUNNING', started_at = coalesce(started_at, current_timestamp), attempts = attempts + 1, claim_id = ids[place],
        reported_at = current_timestamp, updated_at = current_timestamp
        where org_id = picked.org_id and id = picked.run_id returning attempts into its_attempt;
      insert into run_claim (org_id, id, run_id, attempt, token_hash, executor_id, lease_seconds, claimed_at, expires_at)
      values (picked.org_id, ids[place], picked.run_id, its_attempt, 'hash', 'exe_bench', 60, current_timestamp, current_timestamp + interval '60 seconds');
      claimed_org := picked.org_id;
      claimed_run := picked.run_id;
      return next;
    end loop;
    perform set_config('role', 'none', true), set_config('app.org_id', '', true);
  end $$`;
const FAIR = `select claimed_org, claimed_run from claim_runs(null, 'default', null, $1, 60, current_timestamp, $2, 'exe_bench', null, null, $3, $4)`;

try {
  const world = await createWorld(settings, 'orgate_bench_claims', 0);
  undo.push(() => dropWorld(settings, world));
  const { owner } = world;
  await owner.query(`insert into executor (id, name, pool, token_hash, last_four, created_by)
    select 'exe_bench', 'bench', 'default', 'x', 'abcd', id from person limit 1`);
  await owner.query('update organization set max_concurrent_runs = 10000');
  const { rows: organizations } = await owner.query('select id from organization order by id');
  const [large, ...others] = organizations.map(({ id }) => id);
  const client = await open(world.ownerUrl);
  undo.push(() => client.end());
  // What it takes to wait for a disk is in neither.
  await client.query('set synchronous_commit = off');

  /** Begins anew: so many runs of each organization wait, so many of the first are RUNNING, and nothing else is there. */
  const queue = async (counts, running = 0) => {
    await owner.query(`set session_replication_role = replica`);
    await owner.query(
      'truncate run_claim, run_queue, run_turn, run, run_usage, audit_entry, audit_unsealed, due_work cascade',
    );
    for (const [id, count] of Object.entries(counts)) {
      await owner.query(
        `insert into run (org_id, id, agent_id, repository_id, created_by, status, input, created_at, updated_at)
         select a.org_id, 'run_' || lpad(n::text, 12, '0') || substr(md5(a.org_id || n), 1, 14), a.id, a.repository_id,
                (select user_id from membership m where m.org_id = a.org_id limit 1),
                case when n <= $3 then 'RUNNING' else 'QUEUED' end, '{"task": "measured"}', at, at
         from agent a, generate_series(1, $2) as n, lateral (select timestamptz '2026-06-01' + n * interval '1 second' as at) as created
         where a.org_id = $1 order by n`,
        [id, count + (id === large ? running : 0), id === large ? running : 0],
      );
    }
    await owner.query(`insert into run_queue (org_id, run_id, agent_id, pool, priority, created_at)
      select org_id, id, agent_id, 'default', 0, created_at from run where status = 'QUEUED'`);
    await owner.query(`insert into run_turn (org_id, pool, state, look_at)
      select distinct org_id, pool, 'DELAYED', 'epoch'::timestamptz from run_queue`);
    await owner.query(`set session_replication_role = origin`);
    await owner.query('vacuum (analyze) run, run_queue, run_turn, run_claim');
  };

  const inFrame = async (role, org, text, values) => {
    await client.query({
      name: 'frame',
      text: `select set_config('role', $1, true), set_config('app.org_id', $2, true), set_config('app.act', $3, true)`,
      values: [role, org, ACT],
    });
    const { rows } = await client.query({ name: `claim ${text.length}`, text, values });
    return rows;
  };
  /** @returns ms, and what was claimed */
  const timed = async (work, max) => {
    await client.query('begin');
    const began = performance.now();
    const rows = await work(max);
    await client.query('commit');
    const ms = performance.now() - began;
    if (rows.length !== max) throw new Error(`${rows.length} of ${max} were claimed`);
    return { ms, rows };
  };
  const fifo = (max) => inFrame('orgate_app', large, FIFO, [large, max, newIds(max)]);
  const fifoAmong = (max) => inFrame('none', '', 'select * from bench_fifo($1, $2)', [max, newIds(max)]);
  const fair = (max) => {
    const ids = newIds(max);
    return inFrame('orgate_directory', '', FAIR, [max, PLANS, ids, ids]);
  };
  await owner.query(FIFO_AMONG);
  await owner.query('create index bench_fifo_idx on run_queue (created_at)');

  if (isExplained) {
    await queue({ [large]: 20_000, ...Object.fromEntries(others.map((id) => [id, 100])) }, 5000);
    await client.query(`load 'auto_explain'`);
    for (let turn = 0; turn < 12; turn += 1) await timed(fair, 3);
    const told = [];
    client.on('notice', ({ message }) => told.push(message));
    await client.query(`set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on; set auto_explain.log_buffers = on;
      set auto_explain.log_nested_statements = on; set auto_explain.log_triggers = on; set client_min_messages = log`);
    for (const work of [fifo, fair]) {
      console.log(`\n== ${work === fifo ? 'FIFO' : 'fair'}`);
      await timed(work, 10);
      for (const message of told.splice(0)) console.log(message);
    }
  } else {
    const costs = [];
    const measure = async ({ what, counts, running = 0, plain, max, refill }) => {
      const ratios = [];
      const times = { plain: [], fair: [] };
      for (let round = 0; round < ROUNDS; round += 1) {
        if (round % refill === 0) {
          await queue(counts, running);
          for (let turn = 0; turn < 6; turn += 1) for (const work of [plain, fair]) await timed(work, 1);
        }
        const of = { plain: [], fair: [] };
        for (let turn = 0; turn < TURNS; turn += 1) {
          const pair = [
            ['plain', plain],
            ['fair', fair],
          ];
          for (const [name, work] of turn % 2 ? pair : pair.toReversed()) of[name].push((await timed(work, max)).ms);
        }
        for (const name of Object.keys(of)) times[name].push(median(of[name]));
        ratios.push(times.fair.at(-1) / times.plain.at(-1));
      }
      costs.push({
        what,
        max,
        plain: median(times.plain),
        fair: median(times.fair),
        ratio: median(ratios),
        from: Math.min(...ratios),
        to: Math.max(...ratios),
      });
      console.log(costs.at(-1));
    };
    for (const size of QUEUES) {
      for (const max of AT_ONCE) {
        // A queue of 500 has to stay one of about 500.
        await measure({
          what: `${size.toLocaleString('en')} of one`,
          counts: { [large]: size },
          plain: fifo,
          max,
          refill: size < 1000 ? 1 : 5,
        });
      }
    }
    for (const max of AT_ONCE) {
      const counts = { [large]: 100_000, ...Object.fromEntries(others.map((id) => [id, 100])) };
      await measure({ what: `100,000 of one, 100 each of ${OTHERS}`, counts, plain: fifoAmong, max, refill: 5 });
    }
    await measure({
      what: '20,000 of one that has 5,000 RUNNING',
      counts: { [large]: 20_000 },
      running: 5000,
      plain: fifo,
      max: 1,
      refill: 5,
    });
    await queue({ [large]: 100_000, ...Object.fromEntries(others.map((id) => [id, 8])) });
    const small = { claimed: 0, all: 0 };
    for (let claim = 0; claim < 1600; claim += 1) {
      const [{ claimed_org: org }] = (await timed(fair, 1)).rows;
      small.all += 1;
      if (org !== large) small.claimed += 1;
    }
    console.log(small);
    const [one, three] = others;
    await owner.query(`update organization set plan = case id when $1 then 'FREE' else 'TEAM' end`, [one]);
    await queue({ [one]: 4000, [three]: 4000 });
    let claimedOfThree = 0;
    const CLAIMED = 2000;
    for (let claim = 0; claim < CLAIMED / 10; claim += 1) {
      const { rows } = await timed(fair, 10);
      claimedOfThree += rows.filter(({ claimed_org: org }) => org === three).length;
    }
    const share = claimedOfThree / (CLAIMED - claimedOfThree);
    console.log({ share });
    const { rows } = await owner.query('show server_version');
    const what = `${new Date().toISOString().slice(0, 10)}; ${availableParallelism()} cores of ${cpus()[0].model.trim()}, Node.js ${process.version}, PostgreSQL ${rows[0].server_version}`;
    const lines = costs.map(
      ({ what: where, max, plain, fair: turns, ratio, from, to }) =>
        `| ${where} | ${max} | ${plain.toFixed(2)} | ${turns.toFixed(2)} | ×${ratio.toFixed(2)} (${from.toFixed(2)}–${to.toFixed(2)}) |`,
    );
    const text = `# What a claim costs

\`npm run bench:claims\`${isQuick ? ' with `--quick`' : ''} (${what}): claims by one connection, by turns of a plain FIFO claim in one organization and of a fair one;
${ROUNDS} rounds of ${TURNS} each. Both begin as many runs, behind the same walls and with the same triggers, which are most of either. The ratio is the median
of the rounds' own; nobody waits for a disk.

| queued | at once | FIFO, ms | fair, ms | ratio |
| :--- | ---: | ---: | ---: | ---: |
${lines.join('\n')}

Beside one organization with 100,000 queued runs, ${OTHERS} others with 8 each got ${small.claimed.toLocaleString('en')} of the next ${small.all.toLocaleString('en')} claims. Of two whose weights are 3 and 1, ten at once,
the one got ${share.toFixed(2)} times as many as the other.
`;
    mkdirSync(`${BENCH}results/quick`, { recursive: true });
    writeFileSync(`${BENCH}results/${isWritten ? '' : 'quick/'}claims.md`, text);
    console.log(text);
  }
} finally {
  for (const each of undo.toReversed()) await each();
}
