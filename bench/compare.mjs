import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeRequests } from './measure/load.mjs';
import { measureInTurns } from './measure/phases.mjs';
import { startGateway } from './servers/start.mjs';
import { BENCH, readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked, withPasswordOf } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';
import { OPERATIONS } from './world/operations.mjs';
import { prepareRequests } from './world/requests.mjs';

// The gateway of this checkout beside that of another, built, such as the commit before a change: the same requests to
// both, in turns, each with a database that its own migrations made.
const [other, ...args] = process.argv.slice(2);
if (!other || !existsSync(path.join(other, 'dist/main.js'))) {
  console.error('node bench/compare.mjs <another checkout, built> [--quick]');
  process.exit(2);
}
const settings = { ...readSettings(args), blocks: 2, rounds: 3 };
const began = performance.now();
const say = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);
const operations = [...OPERATIONS.map(({ name }) => name), 'mixed'];
const from = (file) => import(pathToFileURL(path.resolve(other, 'bench', file)).href);

const issuer = await openIssuer();
const before = await from('world/database.mjs').then((their) => their.createWorld(settings, 'orgate_bench_before', 0));
const after = await createWorld(settings, 'orgate_bench_after', 0);
const sides = [
  { name: 'before', world: withPasswordOf(before, after), open: (await from('servers/start.mjs')).startGateway },
  { name: 'after', world: after, open: startGateway },
];
say('filled');
try {
  const contestants = [];
  for (const { name, world, open } of sides) {
    const start = () => open('walls', { world, jwksUri: issuer.jwksUri, settings });
    const organizations = await readAsked(world, settings);
    for (const each of organizations) each.token = await issuer.sign(each.subject, each.orgId);
    const gateway = await start();
    const requests = await prepareRequests('orgate', gateway.url, organizations);
    await gateway.stop();
    const fileOf = (operation) => writeRequests(`${name}-${operation}`, requests.get(operation));
    contestants.push({ name, start, world, files: new Map(operations.map((each) => [each, fileOf(each)])) });
  }
  const { phases, peakMb } = await measureInTurns(contestants, operations, settings, say);
  console.log('\n| operation | before | after | throughput after / before | CPU a request after / before |');
  console.log('| --- | ---: | ---: | ---: | ---: |');
  for (const operation of operations) {
    const of = (name, figure) => median(phases.get(operation).get(name).map(figure));
    const rate = (name) => of(name, ({ perSecond }) => perSecond);
    const cpu = (name) => of(name, ({ serverCpu, databaseCpu }) => serverCpu + databaseCpu);
    const ratio = (figure) => (figure('after') / figure('before')).toFixed(2);
    console.log(
      `| ${operation} | ${rate('before').toFixed(0)}/s | ${rate('after').toFixed(0)}/s | ${ratio(rate)} | ${ratio(cpu)} |`,
    );
  }
  console.log(`\npeak memory: before ${peakMb.get('before')} MB, after ${peakMb.get('after')} MB`);
} finally {
  for (const { world } of sides) await dropWorld(settings, world);
  issuer.close();
  rmSync(`${BENCH}work`, { recursive: true, force: true });
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
