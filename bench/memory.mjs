#!/usr/bin/env node
/**
 * What a small container costs: the gateway as the image starts it, on Node.js 24, held to 512 MiB and not, under the mixed
 * load by turns. `npm run bench:memory`.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { openContainer } from './attack/container.mjs';
import { writeRequests } from './measure/load.mjs';
import { measureInTurns } from './measure/phases.mjs';
import { peerNode, startGateway } from './servers/start.mjs';
import { BENCH, PROJECT, readSettings } from './settings.mjs';
import { createWorld, dropWorld, readAsked } from './world/database.mjs';
import { openIssuer } from './world/issuer.mjs';
import { prepareRequests } from './world/requests.mjs';

const isWritten = process.argv.includes('--write');
if (!existsSync(`${PROJECT}dist/main.js`) || !existsSync(peerNode())) {
  console.error('Build the gateway first (`npm run build`), and install the benchmark (`npm ci --prefix bench`).');
  process.exit(2);
}
const MEMORY_MIB = 512;
const settings = { ...readSettings([]), organizations: 200, blocks: 2, rounds: 4 };
/** What the image's command adds. */
const AS_THE_IMAGE = ['--max-semi-space-size=16'];

const undo = [];
try {
  const container = openContainer(MEMORY_MIB);
  undo.push(() => container.remove());
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  const world = await createWorld(settings, 'orgate_bench_memory', 0);
  undo.push(() => dropWorld(settings, world));
  const organizations = await readAsked(world, settings);
  for (const each of organizations) each.token = await issuer.sign(each.subject, each.orgId);
  const start = { world, jwksUri: issuer.jwksUri, settings, runtime: peerNode(), nodeArguments: AS_THE_IMAGE };
  const first = await startGateway('walls', start);
  const requests = await prepareRequests('orgate', first.url, organizations);
  await first.stop();
  const files = new Map([['mixed', writeRequests('memory', requests.get('mixed'))]]);
  const sides = [
    ['held', { ...start, prefix: container.prefix }],
    ['free', start],
  ];
  const { phases, peakMb } = await measureInTurns(
    sides.map(([name, how]) => ({ name, start: () => startGateway('walls', how), world, files })),
    ['mixed'],
    settings,
    console.log,
  );
  const of = (name, figure) => phases.get('mixed').get(name).map(figure);
  const rates = (name) => of(name, ({ perSecond }) => perSecond);
  const ratios = rates('held').map((rate, index) => rate / rates('free')[index]);
  const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
  const { rows } = await world.owner.query('show server_version');
  const row = (title, name) =>
    `| ${title} | ${median(rates(name)).toFixed(0)} | ${median(of(name, ({ serverCpu }) => serverCpu)).toFixed(2)} | ${peakMb.get(name).toFixed(0)} |`;
  const text = `# What a small container costs

\`npm run bench:memory\` (${new Date().toISOString().slice(0, 10)}; ${availableParallelism()} cores of ${cpus()[0].model}, Node.js 24, PostgreSQL ${rows[0].server_version}):
the gateway as the image starts it, under the benchmark's mixed load of ${settings.connections} connections, in a container of ${MEMORY_MIB} MiB
(${container.kind}) and beside it, by turns, ${settings.blocks} × ${settings.rounds} rounds of ${settings.seconds} s. Medians.

| | requests a second | CPU ms a request | most memory, MB |
| --- | ---: | ---: | ---: |
${row(`in ${MEMORY_MIB} MiB`, 'held')}
${row('with all that there is', 'free')}

Throughput in the container is ×${median(ratios).toFixed(2)} (×${Math.min(...ratios).toFixed(2)} to ×${Math.max(...ratios).toFixed(2)}) of that beside it.
`;
  if (isWritten) writeFileSync(`${BENCH}results/memory.md`, text);
  console.log(text);
} finally {
  for (const each of undo.toReversed()) await each();
  rmSync(`${BENCH}work`, { recursive: true, force: true });
}
