import { availableParallelism } from 'node:os';
import { CONTESTANTS, startGateway } from '../servers/start.mjs';
import { removeCreated } from '../world/database.mjs';
import { ask } from '../world/requests.mjs';
import { drive } from './load.mjs';
import { backendsOf, cpuOf, machineCpu, memoryOf, ownCpu, spent } from './proc.mjs';
import { openWire } from './wire.mjs';

const writes = (operation) => operation === 'create' || operation === 'mixed';

/**
 * One phase: the same operation for some seconds against one gateway, with the CPU that it and its backends used.
 *
 * @typedef {{ perSecond: number, p50: number, p99: number, bytes: number, serverCpu: number, databaseCpu: number, others: number }} Phase
 *   CPU and latencies in milliseconds, CPU per request; `others` is the share of the machine's CPU that went to processes
 *   that have no part in this
 * @returns {Promise<Phase>}
 */
export async function measurePhase(
  { gateway, world, file, operation },
  { seconds, connections, checked = false, bytesBefore },
) {
  const before = await look(gateway, world);
  const { perSecond, requests, bytes, p50, p99 } = await drive(gateway.url, file, { seconds, connections, checked });
  const after = await look(gateway, world);
  const tolerance = operation === 'mixed' ? 0.2 : 0.02; // how many of which kind differs a little from phase to phase
  if (bytesBefore !== undefined && Math.abs(bytes / bytesBefore - 1) > tolerance) {
    throw new Error(
      `${gateway.name} answers ${operation} with ${bytes.toFixed(0)} bytes, before with ${bytesBefore.toFixed(0)}`,
    );
  }
  const server = after.server - before.server;
  const database = spent(before.backends, after.backends);
  const available = (after.at - before.at) * availableParallelism();
  const others = (after.machine - before.machine - server - database - (after.own - before.own)) / available;
  if (writes(operation)) await removeCreated(world);
  return { perSecond, p50, p99, bytes, serverCpu: server / requests, databaseCpu: database / requests, others };
}

const look = async ({ pid }, world) => ({
  at: performance.now(),
  server: cpuOf(pid),
  backends: await backendsOf(world),
  machine: machineCpu(),
  own: ownCpu(),
});

/**
 * Blocks of rounds. In each block every gateway is a new process, and warmed up for every operation; in each round they
 * take turns, A B C, B C A and so on, so that what changes on the machine meanwhile falls on all alike.
 *
 * @param {{ name: string, start: () => Promise<import('../servers/start.mjs').Gateway>, world: object, files: Map<string, string> }[]} contestants
 * @param {readonly string[]} operations
 * @returns {Promise<{ phases: Map<string, Map<string, Phase[]>>, peakMb: Map<string, number> }>} phases by operation and contestant
 */
export async function measureInTurns(contestants, operations, settings, progress) {
  const phases = new Map(
    operations.map((operation) => [operation, new Map(contestants.map(({ name }) => [name, []]))]),
  );
  const peakMb = new Map();
  for (let block = 0; block < settings.blocks; block += 1) {
    const gateways = new Map();
    for (const { name, start } of contestants) gateways.set(name, await start());
    try {
      for (const operation of operations) {
        const partOf = ({ name, world, files }) => ({
          gateway: gateways.get(name),
          world,
          file: files.get(operation),
          operation,
        });
        const sizes = new Map();
        for (const each of contestants) {
          const warmUp = { ...settings, seconds: settings.warmUpSeconds, checked: true };
          sizes.set(each, (await measurePhase(partOf(each), warmUp)).bytes);
        }
        for (let round = 0; round < settings.rounds; round += 1) {
          const turn = (block * settings.rounds + round) % contestants.length;
          const order = [...contestants.slice(turn), ...contestants.slice(0, turn)];
          const measured = await undisturbed(settings, progress, async () => {
            const taken = [];
            for (const each of order) {
              const phase = await measurePhase(partOf(each), { ...settings, bytesBefore: sizes.get(each) });
              taken.push({ name: each.name, phase });
              progress(`${operation} ${each.name} ${phase.perSecond.toFixed(0)}/s`);
            }
            return taken;
          });
          for (const { name, phase } of measured) phases.get(operation).get(name).push(phase);
        }
      }
      for (const [name, { pid }] of gateways) peakMb.set(name, Math.max(peakMb.get(name) ?? 0, memoryOf(pid).peak));
    } finally {
      for (const gateway of gateways.values()) await gateway.stop();
    }
  }
  return { phases, peakMb };
}

/** A round is taken again, up to three times, when something else kept the machine busy; the least disturbed one counts. */
async function undisturbed({ tolerated, patienceSeconds }, progress, takeRound) {
  const taken = [];
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const round = await takeRound();
    const others = Math.max(...round.map(({ phase }) => phase.others));
    if (others <= tolerated) return round;
    progress(`  others took ${(others * 100).toFixed(0)} % of the machine`);
    taken.push({ round, others });
    await untilQuiet(tolerated, patienceSeconds);
  }
  return taken.reduce((least, each) => (each.others < least.others ? each : least)).round;
}

/** Waits for three seconds in which the machine has nothing to do, but not for ever. */
async function untilQuiet(tolerated, patienceSeconds) {
  const deadline = performance.now() + patienceSeconds * 1000;
  for (let quiet = 0; quiet < 3 && performance.now() < deadline;) {
    const before = { machine: machineCpu(), at: performance.now() };
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const busy = (machineCpu() - before.machine) / (performance.now() - before.at) / availableParallelism();
    quiet = busy <= tolerated ? quiet + 1 : 0;
  }
}

/** Without what the gateway does beside requests, now and then: what an operation takes comes with each of so many. */
function ofEach(batches, requests) {
  const keyOf = (batch) => batch.map((each) => each?.text).join(';');
  const times = new Map();
  for (const batch of batches) times.set(keyOf(batch), (times.get(keyOf(batch)) ?? 0) + 1);
  return batches.filter((batch) => times.get(keyOf(batch)) >= requests / 2);
}

/**
 * How many statements and round trips one request takes, counted on the wire while requests come one by one.
 *
 * @returns {Promise<{ counts: Map<string, Map<string, { statements: number, roundTrips: number }>>, recordings: Map<string, object[][]> }>}
 *   counts by operation and contestant; of the nested list, the batches of each request, by contestant
 */
export async function countStatements(names, operations, requestsOf, start, world, { counted, pgbenchOrganizations }) {
  const counts = new Map(operations.map((operation) => [operation, new Map()]));
  const recordings = new Map();
  for (const name of names) {
    const wire = await openWire(world.ownerUrl);
    const gateway = await startGateway(name, { ...start, world, databasePort: wire.port });
    try {
      for (const operation of operations) {
        const requests = requestsOf(CONTESTANTS[name].kind).get(operation);
        for (const request of requests.slice(0, counted)) await ask(gateway.url, request);
        wire.take();
        for (const request of requests.slice(0, counted)) await ask(gateway.url, request);
        const batches = ofEach(wire.take(), counted);
        const statements = batches.flat().length;
        counts.get(operation).set(name, { statements: statements / counted, roundTrips: batches.length / counted });
        const scoped = batches.flat().filter((each) => each?.text.includes('set_config')).length;
        if ((name === 'open') !== (scoped === 0))
          throw new Error(`${name} sent ${scoped} statements that set an organization`);
      }
      const recorded = [];
      for (const request of requestsOf(CONTESTANTS[name].kind).get('nested').slice(0, pgbenchOrganizations)) {
        await ask(gateway.url, request);
        recorded.push(wire.take());
      }
      const own = new Set(ofEach(recorded.flat(), recorded.length));
      recordings.set(
        name,
        recorded.map((batches) => batches.filter((batch) => own.has(batch))),
      );
    } finally {
      await gateway.stop();
      wire.close();
      await removeCreated(world);
    }
  }
  return { counts, recordings };
}
