import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { BENCH, PROJECT } from '../settings.mjs';
import { dropWorld } from '../world/database.mjs';
import { openIssuer } from '../world/issuer.mjs';
import { startAttack } from './attackers.mjs';
import { openContainer } from './container.mjs';
import { startInside } from './gateway.mjs';
import { judge, toMarkdown } from './report.mjs';
import { readAttackSettings } from './settings.mjs';
import { createAttackedWorld, signIn } from './world.mjs';

const settings = readAttackSettings(process.argv.slice(2));
if (!existsSync(`${PROJECT}dist/main.js`)) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(2);
}
const began = performance.now();
const say = (line) => console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${line}`);

/** What the figures were measured on: nothing that tells whose machine it is. */
const describeMachine = async ({ owner }) => {
  const { rows } = await owner.query('show server_version');
  return `${availableParallelism()} cores of ${cpus()[0].model}, Node.js ${process.version}, PostgreSQL ${rows[0].server_version}`;
};

/** What it said that is no line of its log; of a stack, what led to it. */
const lastWordsIn = (logFile) =>
  readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !/^\{|^\s*\d+: 0x/.test(line))
    .slice(-12);

/** Undone from the last to the first, however this ends. */
const undo = [];
try {
  const container = openContainer(settings.memoryMiB);
  undo.push(() => container.remove());
  say(`a container of ${settings.memoryMiB} MiB, by ${container.kind}`);
  const issuer = await openIssuer();
  undo.push(() => issuer.close());
  const world = await createAttackedWorld(settings);
  undo.push(() => dropWorld(settings, world));
  const machine = await describeMachine(world);
  const { viewers, requests } = await signIn(world, issuer);
  const gateway = await startInside(container, world, issuer.jwksUri);
  undo.push(() => gateway.stop());
  const tenant = fork(fileURLToPath(new URL('tenant.mjs', import.meta.url)));
  undo.push(() => tenant.kill());

  const work = async (seconds) => {
    const { url } = gateway;
    tenant.send({ url, seconds, requests, rate: settings.tenantRate, probeRate: settings.probeRate });
    return (await once(tenant, 'message'))[0];
  };
  await work(settings.warmUpSeconds);
  const quiet = await work(settings.quietSeconds);
  say(`quiet: ${quiet.operations.ms.length} operations of the organization that works, by itself`);

  const attack = startAttack({ url: gateway.url, viewers, settings });
  const attackBegan = performance.now();
  const secondsSoFar = () => (performance.now() - attackBegan) / 1000;
  const progress = setInterval(() => {
    const { rssMb, peakMb } = gateway.look();
    say(
      `attacked: ${attack.sent()} requests, process ${rssMb.toFixed(0)} MB, container ${peakMb?.toFixed(0)} MB at most`,
    );
  }, 15_000);
  const attacked = work(settings.attackSeconds);
  const end = await Promise.race([gateway.ended, attacked.then(() => null)]);
  const survivedSeconds = Math.min(secondsSoFar(), settings.attackSeconds);
  if (end) say(`the gateway ended after ${survivedSeconds.toFixed(0)} s: ${JSON.stringify(end)}`);
  clearInterval(progress);
  if (end) tenant.send({ over: true });
  await attack.stop();
  const results = judge({
    settings,
    machine,
    container: container.kind,
    quiet,
    attacked: await attacked,
    attacks: attack.seen,
    end,
    survivedSeconds,
    peak: gateway.look(),
    lastWords: end ? lastWordsIn(gateway.logFile) : [],
  });
  const directory = settings.write ? `${BENCH}results/` : `${BENCH}results/quick/`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${directory}attack.json`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${directory}attack.md`, toMarkdown(results));
  console.log(`\n${toMarkdown(results)}`);
  say(`written to ${directory.slice(PROJECT.length)}attack.md`);
  process.exitCode = results.failures.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 2;
} finally {
  for (const step of undo.reverse()) {
    try {
      await Promise.resolve(step());
    } catch (error) {
      console.error(`left behind: ${error.message}`);
    }
  }
}
