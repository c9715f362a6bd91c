import { Agent, request } from 'node:http';

/**
 * The well-behaved, in a process of their own, so that nothing which attackers do to theirs is counted as the gateway's.
 * Told a phase, asks for so many seconds, and tells what it saw. What is due is sent when it is due, answered or not, and
 * its time counts from then.
 */

const TIMEOUT_MS = 30_000;
const agent = new Agent({ keepAlive: true, localAddress: '127.0.0.1' });
let isOver = false;

process.on('message', (told) => {
  if (told.over) isOver = true;
  else void run(told).then((seen) => process.send?.(seen));
});
process.on('disconnect', () => process.exit());

async function run({ url, seconds, requests, rate, probeRate }) {
  isOver = false;
  const operations = { ms: [], errors: [] };
  const probes = { ms: [], errors: [] };
  let latestMs = 0;
  const ask = (index, dueAt) => {
    latestMs = Math.max(latestMs, performance.now() - dueAt);
    const { name, token, body } = requests[index % requests.length];
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    return send(`${url}/graphql`, { method: 'POST', headers }, body, dueAt, operations, name);
  };
  const probe = (_, dueAt) => send(`${url}/livez`, {}, undefined, dueAt, probes, 'livez');
  await Promise.all([paced(seconds, rate, ask), paced(seconds, probeRate, probe)]);
  return { operations, probes, latestMs };
}

/** Calls so many times a second, and waits for what came of all of them. */
async function paced(seconds, rate, call) {
  const began = performance.now();
  const pending = [];
  for (let index = 0; index < seconds * rate && !isOver; index += 1) {
    const dueAt = began + (index * 1000) / rate;
    const wait = dueAt - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    pending.push(call(index, dueAt));
  }
  await Promise.all(pending);
}

function send(url, options, body, dueAt, seen, name) {
  return new Promise((resolve) => {
    const done = (problem) => {
      if (problem) seen.errors.push(`${name}: ${problem}`.slice(0, 300));
      seen.ms.push(performance.now() - dueAt);
      resolve();
    };
    const outgoing = request(url, { ...options, agent, timeout: TIMEOUT_MS }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', ({ message }) => done(message));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const isWrong = response.statusCode !== 200 || text.includes('"errors":');
        done(isWrong && `${response.statusCode} ${text}`);
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
    outgoing.on('error', ({ message }) => done(message)).end(body);
  });
}
