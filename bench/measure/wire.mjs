import { connect, createServer } from 'node:net';

/**
 * Notes what a gateway says to PostgreSQL, on the wire: whatever library speaks, a statement is an Execute or a simple
 * Query, and a batch is what one Sync ends, or a Query: one answer, and so one round trip.
 */

/** What orgate does beside requests: seals the record, looks for due work and what time it is. */
const BESIDE_REQUESTS = /\b(?:audit_unsealed|audit_seal|due_work|clock_timestamp)\b/;

/** @typedef {{ text: string, values: (string | null)[], isPrepared?: boolean }} Statement */

/**
 * @param {string} target URL of the real server
 * @returns {Promise<{ port: number, take(): Statement[][], close(): void }>} `take` gives the batches since it was last asked
 */
export async function openWire(target) {
  const { hostname, port } = new URL(target);
  let batches = [];
  const sent = (batch) => {
    if (!batch.some((each) => BESIDE_REQUESTS.test(each?.text ?? ''))) batches.push(batch);
  };
  const sockets = new Set();
  const server = createServer((client) => {
    const database = connect(Number(port || 5432), hostname);
    const session = { statements: new Map(), portals: new Map(), batch: [] };
    const fromClient = messageReader((type, body) => {
      if (type === 'P') parse(session, body);
      else if (type === 'B') bind(session, body);
      else if (type === 'E') session.batch.push(session.portals.get(cstring(body, 0).text));
      else if (type === 'S') {
        sent(session.batch);
        session.batch = [];
      } else if (type === 'Q') sent([{ text: cstring(body, 0).text, values: [] }]);
    });
    client.on('data', fromClient);
    for (const [from, to] of [
      [client, database],
      [database, client],
    ]) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (chunk) => to.write(chunk));
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on('error', () => to.destroy());
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    take: () => {
      const taken = batches;
      batches = [];
      return taken;
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Cuts what a client sends into messages of PostgreSQL's protocol 3. The first has no type. */
function messageReader(onMessage) {
  let rest = Buffer.alloc(0);
  let untyped = true;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      const head = untyped ? 0 : 1;
      if (rest.length < head + 4) return;
      const end = head + rest.readInt32BE(head);
      if (rest.length < end) return;
      if (!untyped) onMessage(String.fromCharCode(rest[0]), rest.subarray(5, end));
      untyped = false;
      rest = rest.subarray(end);
    }
  };
}

function cstring(body, from) {
  const end = body.indexOf(0, from);
  return { text: body.toString('utf8', from, end), next: end + 1 };
}

function parse(session, body) {
  const name = cstring(body, 0);
  session.statements.set(name.text, cstring(body, name.next).text);
}

function bind(session, body) {
  const portal = cstring(body, 0);
  const statement = cstring(body, portal.next);
  let at = statement.next;
  at += 2 + 2 * body.readInt16BE(at); // formats: node-postgres sends text
  const values = [];
  const length = body.readInt16BE(at);
  at += 2;
  for (let i = 0; i < length; i += 1) {
    const size = body.readInt32BE(at);
    at += 4;
    values.push(size < 0 ? null : body.toString('utf8', at, at + size));
    at += Math.max(size, 0);
  }
  const isPrepared = statement.text !== '';
  session.portals.set(portal.text, { text: session.statements.get(statement.text) ?? '', values, isPrepared });
}
