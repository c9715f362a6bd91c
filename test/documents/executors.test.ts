import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { givenExecutor, putInPool, startRun, statusOf } from '../support/executors.js';
import { givenOrganization } from '../support/given.js';
import { useServer } from '../support/server.js';
import { until } from '../support/until.js';

const server = useServer();
const RUNNER = fileURLToPath(new URL('../../docs/examples/executor/runner.mjs', import.meta.url));
const page = readFileSync(new URL('../../docs/executors.md', import.meta.url), 'utf8');

test('the runner of docs/executors.md works on runs, and tells of those that fail', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-runner-'));
  const work = /```js\n\/\/ work\.mjs\n([^]*?)```/.exec(page)?.[1] ?? '';
  const failing = work.replace('return {', `if (input?.fail) throw new Error('went wrong');\n  return {`);
  await writeFile(path.join(directory, 'work.mjs'), failing);
  const executor = await givenExecutor(server);
  const acme = await givenOrganization(server);
  await putInPool(acme, executor.pool);
  const [good, bad] = [await startRun(acme, { input: { n: 1 } }), await startRun(acme, { input: { fail: true } })];
  const child = spawn(process.execPath, [RUNNER, './work.mjs'], {
    cwd: directory,
    env: { PATH: process.env['PATH'], ORGATE_URL: server.url, ORGATE_TOKEN: executor.token },
    stdio: 'ignore',
  });
  try {
    await until(async () => (await statusOf(acme, bad)) === 'FAILED');
    expect(await statusOf(acme, good)).toBe('SUCCEEDED');
    const { data } = await acme.viewer(
      'query ($good: ID!, $bad: ID!) { good: run(id: $good) { output } bad: run(id: $bad) { error } }',
      {
        good,
        bad,
      },
    );
    expect(data.good.output).toEqual({ hello: acme.agentName, given: { n: 1 }, with: [] });
    expect(data.bad.error).toContain('went wrong');
  } finally {
    child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
});

test('the runner says why it gets nothing to do', async () => {
  const child = spawn(process.execPath, [RUNNER, 'data:text/javascript,export const work = () => ({})'], {
    env: { PATH: process.env['PATH'], ORGATE_URL: server.url, ORGATE_TOKEN: 'og_exec_wrong' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (part: Buffer) => (said += part.toString()));
  try {
    await until(() => said !== '');
    expect(said).toContain('UNAUTHENTICATED');
  } finally {
    child.kill('SIGKILL');
  }
});
