#!/usr/bin/env node
/**
 * What it costs to act as a member: the same reads by the member and by somebody who acts as them, by turns in one run. Each of the
 * second is told in the record before it is done. `npm run bench:impersonation`.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { availableParallelism, cpus } from 'node:os';
import { ask } from './measure/ask.mjs';
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
const SECONDS = 3;
const LOOPS = 16;
const settings = { ...readSettings([]), organizations: 12 };

const agent = new Agent({ keepAlive: true, maxSockets: LOOPS });
const undo = [];
try {
  const world = await createWorld(settings, 'orgate_bench_impersonation', 0);
  undo.push(() => dropWorld(settings, world));
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  const [{ orgId, subject }, other] = await readAsked(world, settings);
  const gateway = await startGateway('walls', { world, jwksUri: issuer.jwksUri, settings });
  undo.push(() => gateway.stop());
  const asked = async (token, query, variables) => {
    const { data, errors } = await ask(agent, gateway.url, token, query, variables);
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  };
  const member = await issuer.sign(subject, orgId);
  const sam = await issuer.sign(other.subject);
  const idOf = async (token) => (await asked(token, '{ viewer { user { id } } }')).viewer.user.id;
  await world.owner.query(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [await idOf(sam)]);
  const { startImpersonation } = await asked(
    sam,
    'mutation ($input: StartImpersonationInput!) { startImpersonation(input: $input) { token } }',
    { input: { organizationId: orgId, userId: await idOf(member), reason: 'What it costs', minutes: 60 } },
  );
  const tokens = { member, acting: startImpersonation.token };
  const { repositories } = await asked(member, '{ repositories(first: 1) { nodes { id } } }');
  const [{ id }] = repositories.nodes;
  const reads = {
    'a repository by its id': ['query ($id: ID!) { repository(id: $id) { id name branch } }', { id }],
    'twenty repositories with their agents': [
      '{ repositories(first: 20) { nodes { id name agents(first: 5) { nodes { id name } } } } }',
      {},
    ],
  };
  const measure = async (token, [query, variables]) => {
    let done = 0;
    const until = performance.now() + SECONDS * 1000;
    const loop = async () => {
      while (performance.now() < until) {
        await asked(token, query, variables);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: LOOPS }, loop));
    return done / SECONDS;
  };
  const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
  const results = [];
  for (const [name, read] of Object.entries(reads)) {
    for (const token of Object.values(tokens)) await measure(token, read);
    const rates = { member: [], acting: [] };
    const ratios = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const pair = {};
      for (const who of round % 2 === 0 ? ['member', 'acting'] : ['acting', 'member']) {
        pair[who] = await measure(tokens[who], read);
        rates[who].push(pair[who]);
      }
      ratios.push(pair.acting / pair.member);
    }
    const [acting, by] = [Math.round(median(rates.acting)), Math.round(median(rates.member))];
    const [ratio, from, to] = [median(ratios), Math.min(...ratios), Math.max(...ratios)].map((each) => each.toFixed(2));
    results.push(`| ${name} | ${acting} | ${by} | ×${ratio} | ×${from} | ×${to} |`);
    console.log(results.at(-1));
  }
  const { rows } = await world.owner.query('show server_version');
  const what = `${new Date().toISOString().slice(0, 10)}; ${availableParallelism()} cores of ${cpus()[0].model}, Node.js ${process.version}, PostgreSQL ${rows[0].server_version}`;
  const text = `# What it costs to act as a member

\`npm run bench:impersonation\` (${what}): ${LOOPS} readers of one organization through the door, ${ROUNDS} rounds of
${SECONDS} s by the member and ${SECONDS} s by somebody who acts as them, by turns. Each read of the second is an entry of the record that is
committed before it, and the sealer works beside. Medians; the ratio is that of the two halves of a round.

| a second | acting | the member | ratio | from | to |
| --- | ---: | ---: | ---: | ---: | ---: |
${results.join('\n')}
`;
  const directory = `${BENCH}results/${isWritten ? '' : 'quick/'}`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}impersonation.md`, text);
  console.log(`\n${text}`);
} catch (error) {
  console.error(error);
  process.exitCode = 2;
} finally {
  for (const step of undo.toReversed()) await Promise.resolve(step()).catch((error) => console.error(error.message));
}
process.exit();
