import { request } from 'node:http';
import { connect } from 'node:net';

const TIMEOUT_MS = 60_000;
const HELD_MS = 120_000;
/** What is kept of an answer, at its beginning and at its end; the rest is read and let go. */
const KEPT = 4096;

/**
 * @typedef {object} Outcome
 * @property {string} result the status with the first code of the answer, or what became of the connection
 * @property {number} ms
 * @property {number} bytes of the answer
 * @property {string} [retryAfter]
 * @property {string} [location] where it sends the browser
 */

/**
 * Sends attacks in turn, from other addresses, so many requests a second, whatever became of those before. Whoever is told
 * to come back later does so: a limit holds each of them off, and not what they do.
 *
 * @param {object} options
 * @param {string} options.url
 * @param {import('./settings.mjs').AttackSettings} options.settings
 * @param {readonly string[]} options.viewers tokens of those who are signed in
 */
export function startAttack({ url, viewers, settings }) {
  const { attacks, addresses, rate, mostInFlight, mostHeld } = settings;
  const target = new URL(url);
  const seen = new Map(
    attacks.map(({ name }) => [name, { sent: 0, withheld: 0, bytes: 0, slowestMs: 0, results: {}, examples: {} }]),
  );
  const strangers = Array.from({ length: addresses }, (_, index) => ({ address: `127.0.0.${index + 2}`, backAt: 0 }));
  const members = viewers.map((token, index) => ({ token, address: strangers[index % addresses].address, backAt: 0 }));
  const open = { requests: 0, held: 0 };
  const sockets = new Set();
  const pending = new Set();
  const next = { attack: 0, stranger: 0, viewer: 0 };
  const turns = new Map();
  let isOver = false;

  function one() {
    const attack = attacks[next.attack++ % attacks.length];
    const turn = turns.get(attack) ?? 0;
    turns.set(attack, turn + 1);
    // Every kind of it by each of those who send it.
    const who = attack.by[Math.floor(turn / (attack.variants ?? 1)) % attack.by.length];
    const shots = attack.make(turn + 1);
    const sender = free(who);
    const totals = seen.get(attack.name);
    const hasRoom = attack.holds ? open.held < mostHeld : open.requests < mostInFlight;
    if (!sender || !hasRoom) totals.withheld += shots.length;
    else for (const shot of shots) fire(attack, shot, sender, totals);
    return shots.length;
  }

  /** The next of them who was not told to wait. */
  function free(who) {
    const all = who === 'viewer' ? members : strangers;
    for (let tried = 0; tried < all.length; tried += 1) {
      const sender = all[next[who]++ % all.length];
      if (sender.backAt <= Date.now()) return sender;
    }
    return null;
  }

  function fire(attack, shot, sender, totals) {
    const kind = attack.holds ? 'held' : 'requests';
    open[kind] += 1;
    totals.sent += 1;
    const began = performance.now();
    const sent = (shot.drip === undefined && shot.bytes === undefined ? sendRequest : sendBytes)(
      target,
      shot,
      sender,
      sockets,
    ).then((outcome) => {
      open[kind] -= 1;
      if (isOver && outcome.result.startsWith('cut off')) return;
      totals.results[outcome.result] = (totals.results[outcome.result] ?? 0) + 1;
      totals.examples[outcome.result] ??= describe(shot, sender);
      totals.bytes += outcome.bytes;
      totals.slowestMs = Math.max(totals.slowestMs, performance.now() - began);
      if (shot.follow && outcome.location) fire(attack, shot.follow(outcome.location), sender, totals);
      if (outcome.retryAfter) sender.backAt = Date.now() + Number(outcome.retryAfter) * 1000;
    });
    pending.add(sent);
    void sent.finally(() => pending.delete(sent));
  }

  const began = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    // After a pause of our own the rest is let go, rather than sent at once.
    const now = ((performance.now() - began) / 1000) * rate;
    if (now - due > rate / 4) due = now - rate / 4;
    while (due < now) due += one();
  }, 5);

  return {
    seen,
    sent: () => [...seen.values()].reduce((sum, { sent }) => sum + sent, 0),
    async stop() {
      clearInterval(timer);
      isOver = true;
      // What is still waited for has a moment to come, so that the worst is counted too.
      await Promise.race([Promise.allSettled(pending), new Promise((resolve) => setTimeout(resolve, 5000))]);
      for (const socket of sockets) socket.destroy();
      await Promise.allSettled(pending);
    },
  };
}

/** @returns {Promise<Outcome>} */
function sendRequest(
  { hostname, port },
  { method, path = '/graphql', headers = {}, body },
  { address, token },
  sockets,
) {
  return new Promise((resolve) => {
    let status;
    let bytes = 0;
    const done = (result, { 'retry-after': retryAfter, location } = {}) =>
      resolve({ result, bytes, retryAfter, location });
    const outgoing = request(
      {
        host: hostname,
        port,
        localAddress: address,
        agent: false,
        path,
        method,
        headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
        timeout: TIMEOUT_MS,
      },
      (response) => {
        status = response.statusCode;
        let head = '';
        let tail = '';
        response.on('data', (chunk) => {
          bytes += chunk.length;
          if (head.length < KEPT) head += chunk.toString('latin1', 0, KEPT);
          tail = (tail + chunk.toString('latin1', Math.max(0, chunk.length - KEPT))).slice(-KEPT);
        });
        response.on('error', ({ code }) => done(`cut off within ${status} ${code}`));
        response.on('end', () => done(resultOf(status, head + tail), response.headers));
      },
    );
    outgoing.on('socket', (socket) => sockets.add(socket.once('close', () => sockets.delete(socket))));
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error(), { code: 'no answer' })));
    // A body that is refused while it is sent: the answer is on its way, or was lost with the connection.
    outgoing.on('error', ({ code }) =>
      setTimeout(() => done(status === undefined ? `cut off ${code}` : String(status)), 50),
    );
    outgoing.end(body);
  });
}

/** Bytes as they are; and for those who hold a connection one more each second, for as long as the server lets them. */
function sendBytes({ hostname, port }, { bytes, drip }, { address }, sockets) {
  return new Promise((resolve) => {
    let text = '';
    const began = Date.now();
    const socket = connect({ host: hostname, port: Number(port), localAddress: address }, () =>
      socket.write(bytes ?? drip),
    );
    sockets.add(socket);
    const dripping = setInterval(() => {
      if (Date.now() - began > HELD_MS) socket.destroy(Object.assign(new Error(), { code: 'held for good' }));
      else if (drip && socket.writable) socket.write('x');
    }, 1000);
    let problem = '';
    socket.on('data', (chunk) => (text = (text + chunk.toString('latin1')).slice(0, KEPT)));
    socket.on('error', ({ code }) => (problem = ` ${code}`));
    socket.on('close', () => {
      clearInterval(dripping);
      sockets.delete(socket);
      const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
      resolve({ result: status ? resultOf(status, text) : `cut off${problem}`, bytes: text.length });
    });
  });
}

function resultOf(status, text) {
  const [, code] = /"code":"([A-Z_]+)"/.exec(text) ?? [];
  return code ? `${status} ${code}` : String(status);
}

const describe = ({ method = 'POST', path = '/graphql', body, bytes, drip }, { token }) =>
  `${token === undefined ? 'a stranger' : 'a VIEWER'}: ${bytes ?? drip ?? `${method} ${path} ${String(body ?? '')}`}`.slice(
    0,
    240,
  );
