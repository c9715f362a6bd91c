#!/usr/bin/env node
/**
 * What it costs to tell a thousand of what happens: how long after a report each of them has heard it, and what the gateway spends on it,
 * beside ten who hear the same. `npm run bench:streams`.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from './measure/ask.mjs';
import { cpuOf } from './measure/proc.mjs';
import { startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked } from './world/database.mjs';
import { ISSUER, openIssuer } from './world/issuer.mjs';

const flags = process.argv.slice(2);
const [isQuick, isWritten] = ['--quick', '--write'].map((flag) => flags.includes(flag));
if (!existsSync(`${PROJECT}dist/main.js`)) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(2);
}
/** As many as one organization may have open, each person a hundred. */
const MANY = 1000;
const FEW = 10;
const OF_ONE = 100;
const RUNS = isQuick ? 8 : 20;
const settings = { ...readSettings([]), organizations: 12, members: 12 };
const UPDATES = `subscription { organizationRunUpdates { cursor change status run { id totalTokens } } }`;
const START = 'mutation ($agentId: ID!) { startRun(input: { agentId: $agentId }) { id } }';

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const undo = [];

/** What one was refused with, and would never hear. */
let refused = null;

/** Opens a stream. @param hear told of each status with the run */
function open(url, token, hear) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const asked = request(
      {
        hostname,
        port,
        path: '/graphql',
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'text/event-stream',
          authorization: `Bearer ${token}`,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          resolve(asked);
          text += chunk;
          const messages = text.split('\n\n');
          text = messages.pop();
          for (const message of messages) {
            const at = message.indexOf('data: {');
            if (at === -1) continue;
            const { data, errors } = JSON.parse(message.slice(at + 6));
            if (errors) refused ??= new Error(JSON.stringify(errors));
            if (errors) continue;
            hear(data.organizationRunUpdates);
          }
        });
      },
    );
    asked.on('error', () => undefined);
    asked.end(JSON.stringify({ query: UPDATES }));
  });
}

try {
  const world = await createWorld(settings, 'orgate_bench_streams', 0);
  undo.push(() => dropWorld(settings, world));
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  const [{ orgId, subject }] = await readAsked(world, settings);
  const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings });
  undo.push(() => gateway.stop());
  const asked = async (token, query, variables) => {
    const { data, errors } = await ask(agent, gateway.url, token, query, variables);
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  };
  const writer = await issuer.sign(subject, orgId);
  // Of others than the first the world has no identities.
  await world.owner.query(
    `insert into identity (issuer, subject, person_id) select $1, email, user_id from membership where org_id = $2 on conflict do nothing`,
    [ISSUER, orgId],
  );
  const { rows: members } = await world.owner.query(
    `select i.subject from membership m join identity i on i.person_id = m.user_id where m.org_id = $1 and m.status = 'ACTIVE'`,
    [orgId],
  );
  const { agents } = await asked(writer, '{ agents(first: 1) { nodes { id } } }');
  const agentId = agents.nodes[0].id;
  const results = [];
  for (const count of [FEW, MANY]) {
    const heard = new Map();
    const streams = [];
    for (let each = 0; each < count; each += 1) {
      // Of one organization 500 wait at the most, and these answer before they are let in.
      if (each % 50 === 49) await sleep(1000);
      const member = members[Math.floor(each / OF_ONE) % members.length];
      const token = await issuer.sign(member.subject, orgId);
      streams.push(
        await open(gateway.url, token, ({ change, run }) => {
          if (change !== 'STATUS') return;
          const times = heard.get(run.id) ?? [];
          heard.set(run.id, times);
          times.push(performance.now());
        }),
      );
    }
    await sleep(2000);
    const before = cpuOf(gateway.pid);
    const waits = [];
    for (let run = 0; run < RUNS; run += 1) {
      const began = performance.now();
      const { startRun } = await asked(writer, START, { agentId });
      while ((heard.get(startRun.id)?.length ?? 0) < count) {
        if (refused) throw refused;
        if (performance.now() - began > 30_000) throw new Error('not all have heard of it');
        await sleep(5);
      }
      const times = heard.get(startRun.id);
      waits.push({ first: times[0] - began, last: times.at(-1) - began });
    }
    const cpu = cpuOf(gateway.pid) - before;
    for (const stream of streams) stream.destroy();
    await sleep(2000); // until their places are free
    const median = (key) => waits.map((wait) => wait[key]).toSorted((a, b) => a - b)[Math.floor(RUNS / 2)];
    results.push({ count, first: median('first'), last: median('last'), cpuMs: cpu / RUNS });
    console.log(results.at(-1));
  }
  const [few, many] = results;
  const rows = results.map(
    ({ count, first, last, cpuMs }) =>
      `| ${count} | ${first.toFixed(0)} | ${last.toFixed(0)} | ${cpuMs.toFixed(0)} | ${((cpuMs * 1000) / count).toFixed(0)} |`,
  );
  const text = `# A thousand who hear of it

\`npm run bench:streams\`${isQuick ? ' with `--quick`' : ''} (${availableParallelism()} cores of ${cpus()[0].model.trim()}, Node.js ${process.version}): ${RUNS} runs are started one after
the other, each once all have heard of the one before. What is told waits for the record's sealer, which looks twice a second. A thousand
take ${(many.cpuMs / few.cpuMs).toFixed(1)} times as much of the gateway as ten, for a hundred times as many answers.

| streams | the first hears, ms | the last hears, ms | gateway's CPU for each run, ms | for each answer, µs |
| ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}
`;
  const file = `${BENCH}results/${isWritten ? '' : 'quick/'}streams.md`;
  mkdirSync(`${BENCH}results/quick`, { recursive: true });
  writeFileSync(file, text);
  console.log(text);
} finally {
  for (const each of undo.toReversed()) await each();
  agent.destroy();
}
