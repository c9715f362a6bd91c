#!/usr/bin/env node
/**
 * What one organization feels of others: its median and 99th percentile alone, and while others do their worst. The built
 * gateway with its default settings, on PostgreSQL: `npm run fairness`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openQuiet } from './fairness/quiet.mjs';
import { judge, toMarkdown } from './fairness/report.mjs';
import { createTrials, GROUP } from './fairness/trials.mjs';
import { backendsOf, cpuOf, machineCpu, ownCpu, scheduledOf } from './measure/proc.mjs';
import { startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, open, readAsked } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';

const USAGE = `npm run fairness -- [--quick] [--only <part of a trial's name>] [--write]

  --quick   a few seconds of each trial: does everything work?
  --only    the trials that are named so
  --write   in place of the results that are kept; of all trials only
`;
const args = process.argv.slice(2);
const isQuick = args.includes('--quick');
const isWritten = args.includes('--write');
const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
const isKnown = (arg) => ['--quick', '--write', '--only'].includes(arg) || arg === only;
if (!args.every(isKnown) || (isWritten && args.length > 1) || (args.includes('--only') && !only)) {
  console.error(USAGE);
  process.exit(args.includes('--help') ? 0 : 2);
}
if (!existsSync(`${PROJECT}dist/main.js`)) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(2);
}
const rounds = isQuick ? 1 : 3;
const seconds = isQuick ? 4 : 12;
const quietSeconds = isQuick ? 3 : 6;
const settings = { ...readSettings([]), organizations: 12 };

/** A directory with so many users, made straight in the store. @returns its token */
async function openRegistry({ owner, orgId, url, token }) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      query: 'mutation { createScimDirectory(input: { name: "big" }) { token directory { id } } }',
    }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  const { token: directoryToken, directory } = data.createScimDirectory;
  await owner.query(`
    insert into membership (org_id, user_id, email, name, role, status, joined_at)
    select '${orgId}', 'usr_big' || n, 'big' || n || '@x.example', 'Big ' || n, 'VIEWER', 'ACTIVE', now()
    from generate_series(1, ${GROUP}) as n`);
  await owner.query(`
    insert into scim_user (org_id, id, directory_id, user_id, user_name)
    select '${orgId}', 'scu_big' || n, '${directory.id}', 'usr_big' || n, 'big' || n from generate_series(1, ${GROUP}) as n`);
  await owner.query('analyze membership, scim_user');
  return directoryToken;
}

/** How long processes ran between two looks, in milliseconds, and of the time that they could have run the share in which there was no core for them. */
function scheduledBetween(before, after) {
  let [ran, waited] = [0, 0];
  for (const [pid, now] of after) {
    const then = before.get(pid) ?? { ran: 0, waited: 0 };
    ran += now.ran - then.ran;
    waited += now.waited - then.waited;
  }
  return { ran, shareWaited: waited / (ran + waited) };
}

/** Undone from the last to the first, however this ends. */
const undo = [];
try {
  const world = await createWorld(settings, 'orgate_bench_fairness', 0);
  undo.push(() => dropWorld(settings, world));
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  const asked = await readAsked(world, settings);
  const organizations = await Promise.all(
    asked.map(async ({ orgId, subject }) => {
      const { rows } = await world.owner.query('select id, agent_id from run where org_id = $1 limit 1', [orgId]);
      const [{ id: runId, agent_id: agentId }] = rows;
      return { orgId, token: await issuer.sign(subject, orgId), runId, agentId };
    }),
  );
  const [quiet, ...noisy] = organizations;

  mkdirSync(`${BENCH}work`, { recursive: true });
  const loopFile = `${BENCH}work/loop-held.log`;
  process.env.BENCH_PROFILE = loopFile;
  const nodeArguments = ['--require', `${BENCH}fairness/watch-loop.cjs`];
  const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings, nodeArguments });
  undo.push(() => gateway.stop());
  const { url } = gateway;
  const directoryToken = await openRegistry({ owner: world.owner, url, ...noisy[0] });
  const beside = await open(world.ownerUrl);
  undo.push(() => beside.end());
  const child = fork(fileURLToPath(new URL('fairness/others.mjs', import.meta.url)));
  undo.push(() => child.kill());

  const others = (work, told) => {
    child.send({ work, url, ...told });
    const done = once(child, 'message').then(([{ saw, error }]) => {
      if (error) throw new Error(error);
      return saw;
    });
    done.catch(() => undefined);
    const end = () => {
      child.send({ over: true });
      return done;
    };
    return { done, end };
  };
  const loopOf = async () => {
    rmSync(loopFile, { force: true });
    process.kill(gateway.pid, 'SIGWINCH');
    while (!existsSync(loopFile)) await sleep(10);
    return JSON.parse(readFileSync(loopFile, 'utf8'));
  };
  const cpuNow = async () => ({
    at: performance.now(),
    gateway: cpuOf(gateway.pid),
    own: ownCpu() + cpuOf(child.pid),
    thread: new Map([[gateway.pid, scheduledOf(gateway.pid)]]),
    backends: await backendsOf(world, scheduledOf),
    machine: machineCpu(),
  });
  const measure = openQuiet(url, quiet.token);
  const look = async (work) => {
    await loopOf();
    const before = await cpuNow();
    const seen = await measure(work);
    const after = await cpuNow();
    const thread = scheduledBetween(before.thread, after.thread);
    const backends = scheduledBetween(before.backends, after.backends);
    const waited = { gateway: thread.shareWaited, database: backends.shareWaited };
    const cpuMs = after.gateway - before.gateway;
    const ours = cpuMs + after.own - before.own + backends.ran;
    const foreign = (after.machine - before.machine - ours) / (after.at - before.at) / availableParallelism();
    return { ...seen, cpuMs, foreign: Math.max(foreign, 0), waited, loop: await loopOf() };
  };

  // What runs for the first time is compiled while it runs, for thousands of requests.
  const warmUp = createTrials({ beside, others, noisy, seconds: isQuick ? 5 : 15, directoryToken });
  for (const { name, run } of warmUp) if (name.startsWith('ten organizations')) await measure(run);
  const trials = createTrials({ beside, others, noisy, seconds, directoryToken });
  const taken = trials.filter(({ name }) => !only || name.includes(only));
  const quietSeen = [];
  const seen = taken.map(({ name, isBound }) => ({ name, isBound, rounds: [] }));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [index, { name, run }] of taken.entries()) {
      await sleep(1000);
      quietSeen.push(await look(() => sleep(quietSeconds * 1000)));
      seen[index].rounds.push(await look(run));
      console.log(`measured, ${round} of ${rounds}: ${name}`);
    }
  }
  const { rows } = await world.owner.query('show server_version');
  const what = `${new Date().toISOString().slice(0, 10)}; ${availableParallelism()} cores of ${cpus()[0].model}, Node.js ${process.version}, PostgreSQL ${rows[0].server_version}`;
  const results = judge({ what, seconds, rounds, quietSeen, seen });
  const directory = `${BENCH}results/${isWritten ? '' : 'quick/'}`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}fairness.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${directory}fairness.md`, toMarkdown(results));
  console.log(`\n${toMarkdown(results)}`);
  console.log(`written to ${directory.slice(PROJECT.length)}fairness.md`);
  process.exitCode = results.failures.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 2;
} finally {
  for (const step of undo.toReversed()) {
    try {
      await Promise.resolve(step());
    } catch (error) {
      console.error(`left behind: ${error.message}`);
    }
  }
}
process.exit();
