#!/usr/bin/env node
/**
 * What the record costs: creates and updates through the door, by turns with the triggers that write it and without, in one
 * run; and how far behind its sealer is. `npm run bench:record`.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from './measure/ask.mjs';
import { backendsOf, cpuOf, spent } from './measure/proc.mjs';
import { startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';

const isWritten = process.argv.includes('--write');
if (!existsSync(`${PROJECT}dist/main.js`)) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(2);
}
const ROUNDS = 6;
const SECONDS = 4;
const LOOPS = 16;
const settings = { ...readSettings([]), organizations: 12 };

const agent = new Agent({ keepAlive: true, maxSockets: LOOPS });
const change = async (url, token, query, variables) => {
  const { data, errors } = await ask(agent, url, token, query, variables);
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
};

const CREATE = 'mutation ($i: CreateRepositoryInput!) { createRepository(input: $i) { id } }';
const UPDATE = 'mutation ($i: UpdateRepositoryInput!) { updateRepository(input: $i) { id } }';

const undo = [];
try {
  const world = await createWorld(settings, 'orgate_bench_record', 0);
  undo.push(() => dropWorld(settings, world));
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  const [{ orgId, subject }] = await readAsked(world, settings);
  const token = await issuer.sign(subject, orgId);
  const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings });
  undo.push(() => gateway.stop());
  let count = 0;
  const own = [];
  for (let index = 0; index < LOOPS; index += 1) {
    const i = { name: `own-${index}`, gitUrl: 'https://git.example/own.git' };
    own.push((await change(gateway.url, token, CREATE, { i })).createRepository.id);
  }
  const work = {
    creates: () =>
      change(gateway.url, token, CREATE, { i: { name: `r-${(count += 1)}`, gitUrl: 'https://git.example/r.git' } }),
    updates: (loop) =>
      change(gateway.url, token, UPDATE, { i: { id: own[loop], description: `number ${(count += 1)}` } }),
  };
  const measure = async (each) => {
    let done = 0;
    const before = { gateway: cpuOf(gateway.pid), database: await backendsOf(world) };
    const until = performance.now() + SECONDS * 1000;
    const loop = async (index) => {
      while (performance.now() < until) {
        await each(index);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: LOOPS }, (_, index) => loop(index)));
    const database = spent(before.database, await backendsOf(world));
    return {
      rate: done / SECONDS,
      gateway: ((cpuOf(gateway.pid) - before.gateway) / done) * 1000,
      database: (database / done) * 1000,
    };
  };
  const turn = async (isOn) => {
    for (const each of ['created', 'updated']) {
      await world.owner.query(`alter table repository ${isOn ? 'enable' : 'disable'} trigger record_${each}`);
    }
    await sleep(300);
  };
  for (const each of Object.values(work)) await measure(each); // both are compiled, and what is kept is kept
  const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
  const results = {};
  for (const [name, each] of Object.entries(work)) {
    const ratios = [];
    const rates = { with: [], without: [] };
    const used = { gateway: { with: [], without: [] }, database: { with: [], without: [] } };
    for (let round = 0; round < ROUNDS; round += 1) {
      const pair = {};
      for (const isOn of round % 2 === 0 ? [true, false] : [false, true]) {
        await turn(isOn);
        pair[isOn ? 'with' : 'without'] = await measure(each);
      }
      for (const [which, { rate, ...cpu }] of Object.entries(pair)) {
        rates[which].push(rate);
        for (const part of Object.keys(cpu)) used[part][which].push(cpu[part]);
      }
      ratios.push(pair.with.rate / pair.without.rate);
    }
    const more = (part) => Math.round(median(used[part].with) - median(used[part].without));
    results[name] = {
      with: Math.round(median(rates.with)),
      without: Math.round(median(rates.without)),
      gateway: more('gateway'),
      database: more('database'),
      gatewayWithout: Math.round(median(used.gateway.without)),
      databaseWithout: Math.round(median(used.database.without)),
      ratio: Math.round(median(ratios) * 100) / 100,
      from: Math.round(Math.min(...ratios) * 100) / 100,
      to: Math.round(Math.max(...ratios) * 100) / 100,
    };
    console.log(name, results[name]);
  }
  const { rows } = await world.owner.query('show server_version');
  const what = `${new Date().toISOString().slice(0, 10)}; ${availableParallelism()} cores of ${cpus()[0].model}, Node.js ${process.version}, PostgreSQL ${rows[0].server_version}`;
  const text = `# What the record costs

\`npm run bench:record\` (${what}): ${LOOPS} writers of one organization through the door, ${ROUNDS} rounds of
${SECONDS} s with the triggers that write the record and ${SECONDS} s without, by turns; the sealer at work beside them. Medians; the
ratio is that of the two halves of a round.

| a second | with the record | without | ratio | from | to |
| --- | ---: | ---: | ---: | ---: | ---: |
${Object.entries(results)
  .map(([name, r]) => `| ${name} | ${r.with} | ${r.without} | ×${r.ratio} | ×${r.from} | ×${r.to} |`)
  .join('\n')}
`;
  const directory = `${BENCH}results/${isWritten ? '' : 'quick/'}`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}record.md`, text);
  console.log(`\n${text}`);
} catch (error) {
  console.error(error);
  process.exitCode = 2;
} finally {
  for (const step of undo.toReversed()) await Promise.resolve(step()).catch((error) => console.error(error.message));
}
process.exit();
