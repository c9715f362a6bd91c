import { Agent } from 'node:http';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../measure/ask.mjs';

const READ = '{ repositories(first: 20) { totalCount nodes { id name } } }';
const WRITE = 'mutation ($d: String!) { updateOrganization(input: { description: $d }) { id } }';
/** A second. */
const RATES = { reads: 40, writes: 12 };

/** Before all that it measures: what waits here for the machine is no fault of the gateway's. */
const PRIORITY = -15;

function goFirst() {
  try {
    setPriority(PRIORITY);
  } catch {
    console.warn('Only the superuser may go first: what this process waits for the machine is in the figures.');
  }
}

/**
 * The organization whose times count. It asks at a pace, whether it is answered or not: a gateway that stands still for a
 * tenth of a second is felt by all that would have been answered then.
 */
export function openQuiet(url, token) {
  const agent = new Agent({ keepAlive: true });
  goFirst();
  async function paced(rate, isOver, call) {
    const began = performance.now();
    const pending = [];
    let latest = 0;
    for (let index = 0; !isOver(); index += 1) {
      const due = began + (index * 1000) / rate;
      const wait = due - performance.now();
      if (wait > 0) await sleep(wait);
      latest = Math.max(latest, performance.now() - due);
      pending.push(call(index));
    }
    await Promise.all(pending);
    return latest;
  }

  /** Asks until `others` are done. */
  return async function measure(others) {
    const times = { reads: [], writes: [] };
    const refused = {};
    let isOver = false;
    const timed = async (kind, query, variables) => {
      const began = performance.now();
      const { errors } = await ask(agent, url, token, query, variables);
      times[kind].push(performance.now() - began);
      for (const { extensions } of errors ?? []) refused[extensions.code] = (refused[extensions.code] ?? 0) + 1;
    };
    const asking = [
      paced(
        RATES.reads,
        () => isOver,
        () => timed('reads', READ),
      ),
      paced(
        RATES.writes,
        () => isOver,
        (index) => timed('writes', WRITE, { d: `number ${index}` }),
      ),
    ];
    let told;
    try {
      told = await others();
    } finally {
      isOver = true;
    }
    const latestMs = Math.max(...(await Promise.all(asking)));
    return { times, refused, told, latestMs };
  };
}
