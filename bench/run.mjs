import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { CONTESTANTS, startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { measureColdStart } from './measure/cold-start.mjs';
import { writeRequests } from './measure/load.mjs';
import { describeMachine } from './measure/machine.mjs';
import { runPgbench } from './measure/pgbench.mjs';
import { countStatements, measureInTurns } from './measure/phases.mjs';
import { toChart } from './report/chart.mjs';
import { toMarkdown } from './report/markdown.mjs';
import { summarize } from './report/summary.mjs';
import { createWorld, dropWorld, readAsked, removeCreated, withPasswordOf } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';
import { OPERATIONS } from './world/operations.mjs';
import { prepareRequests } from './world/requests.mjs';
import { verify, verifyIsolation } from './world/verify.mjs';

const settings = readSettings(process.argv.slice(2));
if (!existsSync(`${PROJECT}dist/main.js`)) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(1);
}
const began = performance.now();
const say = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);
const operations = [...OPERATIONS.map(({ name }) => name), 'mixed'];
const names = Object.keys(CONTESTANTS);
/** What must not grow with the number of organizations: a lookup by key, and the first page of an order. */
const FLAT_OPERATIONS = ['get', 'list'];

say(`filling ${settings.organizations} organizations …`);
let world = await createWorld(settings, 'orgate_bench', 0);
say(`filled, ${world.rows} runs`);
const machine = await describeMachine(world);
const issuer = await openIssuer();
const start = { jwksUri: issuer.jwksUri, settings };

// Requests, and the proof that all gateways answer them alike.
const organizations = await readAsked(world, settings);
for (const organization of organizations)
  organization.token = await issuer.sign(organization.subject, organization.orgId);
const requests = new Map();
const rowCounts = await withGateways(async (gateways) => {
  for (const { kind, url } of gateways) {
    if (!requests.has(kind)) requests.set(kind, await prepareRequests(kind, url, organizations));
  }
  const asked = gateways.map((gateway) => ({ ...gateway, requests: requests.get(gateway.kind) }));
  for (const each of asked) await verifyIsolation(each);
  return verify(asked, settings);
});
await removeCreated(world);
say(`verified: ${[...rowCounts].map(([name, rows]) => `${name} ${rows} rows`).join(', ')}`);

const files = new Map(
  [...requests].map(([kind, byOperation]) => [
    kind,
    new Map(
      operations.map((operation) => [operation, writeRequests(`${kind}-${operation}`, byOperation.get(operation))]),
    ),
  ]),
);
const { counts, recordings } = await countStatements(
  names,
  operations,
  (kind) => requests.get(kind),
  start,
  world,
  settings,
);
say('counted statements and round trips');

const coldStart = await measureColdStart(settings);
say(`cold starts: ${coldStart.startsMs.map((ms) => `${ms.toFixed(0)} ms`).join(', ')}`);

const contestants = names.map((name) => ({
  name,
  start: () => startGateway(name, { ...start, world }),
  world,
  files: files.get(CONTESTANTS[name].kind),
}));
const main = await measureInTurns(contestants, operations, settings, say);

const pgbench = [];
for (let round = 0; round < 3; round += 1) {
  pgbench.push(await runPgbench(world, recordings.get('walls'), settings));
  say(`pgbench ${pgbench.at(-1).toFixed(0)}/s`);
}

const results = settings.quick ? `${BENCH}results/quick/` : `${BENCH}results/`;
write(null);

if (settings.large) {
  say(`filling ${settings.organizations + settings.added} organizations …`);
  const larger = await createWorld(settings, 'orgate_bench_large', settings.added);
  say(`filled, ${larger.rows} runs`);
  world = withPasswordOf(world, larger);
  const sizes = [
    ['small', world],
    ['large', larger],
  ].map(([name, each]) => ({
    name,
    start: () => startGateway('walls', { ...start, world: each }),
    world: each,
    files: files.get('orgate'),
  }));
  write({ ...(await measureInTurns(sizes, FLAT_OPERATIONS, settings, say)), rows: larger.rows });
  await dropWorld(settings, larger);
}
await dropWorld(settings, world);
issuer.close();
rmSync(`${BENCH}work`, { recursive: true, force: true });
console.log(`\n${readFileSync(`${results}README.md`, 'utf8')}`);
say(`written to ${results.slice(PROJECT.length)}`);

function write(large) {
  const summary = summarize({
    settings,
    machine,
    operations,
    names,
    rowCounts,
    counts,
    main,
    pgbench,
    large,
    coldStart,
    runs: world.rows,
  });
  mkdirSync(results, { recursive: true });
  writeFileSync(`${results}results.json`, `${JSON.stringify(summary, null, 1)}\n`);
  writeFileSync(`${results}README.md`, toMarkdown(summary));
  writeFileSync(`${results}chart.svg`, toChart(summary));
}

async function withGateways(work) {
  const gateways = [];
  try {
    for (const name of names) gateways.push(await startGateway(name, { ...start, world }));
    return await work(gateways);
  } finally {
    for (const gateway of gateways) await gateway.stop();
  }
}
