import { CONTESTANTS, startGateway } from '../servers/start.mjs';
import { removeCreated } from '../world/database.mjs';
import { ask } from '../world/requests.mjs';
import { drive } from './load.mjs';
import { backendsOf, cpuOf, memoryOf, spent } from './proc.mjs';
import { openWire } from './wire.mjs';

const writes = (operation) => operation === 'create' || operation === 'mixed';

/**
 * One phase: the same operation for some seconds against one gateway, with the CPU that it and its backends used.
 *
 * @typedef {{ perSecond: number, p50: number, p99: number, bytes: number, serverCpu: number, databaseCpu: number }} Phase CPU and
 *   latencies in milliseconds, CPU per request
 * @returns {Promise<Phase>}
 */
export async function measurePhase({ gateway, world, file, operation }, { seconds, connections }) {
  const before = { server: cpuOf(gateway.pid), backends: await backendsOf(world) };
  const { perSecond, requests, bytes, p50, p99 } = await drive(gateway.url, file, { seconds, connections });
  const serverCpu = (cpuOf(gateway.pid) - before.server) / requests;
  const databaseCpu = spent(before.backends, await backendsOf(world)) / requests;
  if (writes(operation)) await removeCreated(world);
  return { perSecond, p50, p99, bytes, serverCpu, databaseCpu };
}

/**
 * Blocks of rounds. In each block every gateway is a new process, and warmed up for every operation; in each round they
 * take turns, A B C, B C A and so on, so that what changes on the machine meanwhile falls on all alike.
 *
 * @param {{ name: string, start: () => Promise<import('../servers/start.mjs').Gateway>, world: object, files: Map<string, string> }[]} contestants
 * @param {readonly string[]} operations
 * @returns {Promise<{ phases: Map<string, Map<string, Phase[]>>, peakMb: Map<string, number> }>} phases by operation and contestant
 */
export async function measureInTurns(contestants, operations, settings, progress) {
  const phases = new Map(operations.map((operation) => [operation, new Map(contestants.map(({ name }) => [name, []]))]));
  const peakMb = new Map();
  for (let block = 0; block < settings.blocks; block += 1) {
    const gateways = new Map();
    for (const { name, start } of contestants) gateways.set(name, await start());
    try {
      for (const operation of operations) {
        const partOf = ({ name, world, files }) => ({ gateway: gateways.get(name), world, file: files.get(operation), operation });
        for (const each of contestants) {
          await measurePhase(partOf(each), { ...settings, seconds: settings.warmUpSeconds });
        }
        for (let round = 0; round < settings.rounds; round += 1) {
          const turn = (block * settings.rounds + round) % contestants.length;
          for (const each of [...contestants.slice(turn), ...contestants.slice(0, turn)]) {
            const phase = await measurePhase(partOf(each), settings);
            phases.get(operation).get(each.name).push(phase);
            progress(`${operation} ${each.name} ${phase.perSecond.toFixed(0)}/s`);
          }
        }
      }
      for (const [name, { pid }] of gateways) peakMb.set(name, Math.max(peakMb.get(name) ?? 0, memoryOf(pid).peak));
    } finally {
      for (const gateway of gateways.values()) await gateway.stop();
    }
  }
  return { phases, peakMb };
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
        const { statements, roundTrips, batches } = wire.take();
        counts.get(operation).set(name, { statements: statements / counted, roundTrips: roundTrips / counted });
        const scoped = batches.flat().filter((each) => each?.text.includes('set_config')).length;
        if ((name === 'open') !== (scoped === 0)) throw new Error(`${name} sent ${scoped} statements that set an organization`);
      }
      const recorded = [];
      for (const request of requestsOf(CONTESTANTS[name].kind).get('nested').slice(0, pgbenchOrganizations)) {
        await ask(gateway.url, request);
        recorded.push(wire.take().batches);
      }
      recordings.set(name, recorded);
    } finally {
      await gateway.stop();
      wire.close();
      await removeCreated(world);
    }
  }
  return { counts, recordings };
}
