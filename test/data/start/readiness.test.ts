import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createReadiness } from '../../../src/data/start/readiness.js';

/** Refuses everyone as they come in: each field is a letter and a text. */
function refusal(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5, 'E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

let said = refusal('', '');
const database = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.once('data', () => socket.end(said));
});
beforeAll(() => new Promise<void>((resolve) => database.listen(0, '127.0.0.1', () => resolve())));
afterAll(() => void database.close());

test.each([
  ['the server', '53300', 'sorry, too many clients already', 'asked'],
  ['PgBouncer', '08P01', 'no more connections allowed (max_client_conn)', 'asked'],
  ['PgBouncer, of something else', '08P01', 'no such database: x', 'failed'],
])('where no connection is to spare, as %s says it, the pool is asked', async (_who, code, message, expected) => {
  said = refusal(code, message);
  let asked = 'failed';
  const { port } = database.address() as AddressInfo;
  const readiness = createReadiness(`postgres://x@127.0.0.1:${port}/x`, async () => void (asked = 'asked'));
  await readiness.check().catch(() => undefined);
  expect(asked).toBe(expected);
  await readiness.close();
});
