import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { newDirectory, type Process, start } from '../support/process.js';

/** Requests that each write a log line. */
async function expectServed(server: Process): Promise<void> {
  for (let round = 0; round < 10; round += 1) {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ query: '{ __typename }' });
    const answer = await fetch(`${server.url}/graphql`, { method: 'POST', headers, body });
    expect(await answer.json()).toEqual({ data: { __typename: 'Query' } });
  }
  expect(server.child.exitCode).toBeNull();
}

test('a full disk under the log costs lines and not the gateway', async () => {
  const full = openSync('/dev/full', 'w');
  const server = await start({ DATA_DIR: await newDirectory() }, { output: full });
  closeSync(full);
  await expectServed(server);
  expect(await server.end()).toBe(0);
});

test('a reader of the log that stands still costs lines and not the gateway', async () => {
  const pipe = path.join(await newDirectory(), 'log');
  execFileSync('mkfifo', [pipe]);
  // Held open at both ends, and never read: it takes 64 KiB.
  const stuck = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const server = await start({ DATA_DIR: await newDirectory() }, { output: stuck });
  for (let round = 0; round < 60; round += 1) await expectServed(server);
  expect(await server.end()).toBe(0);
  closeSync(stuck);
});

test('neither does a reader of the log that is gone', async () => {
  const server = await start({ DATA_DIR: await newDirectory() });
  server.child.stdout?.destroy();
  await expectServed(server);
  expect(await server.end()).toBe(0);
});
