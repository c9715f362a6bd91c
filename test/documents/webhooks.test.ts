import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { givenOrganization } from '../support/given.js';
import { freePort } from '../support/process.js';
import { useServer } from '../support/server.js';
import { until } from '../support/until.js';
import { deliver, givenWebhook, openDeliverer, sealAll } from '../support/webhooks.js';

const server = useServer();
const page = readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8');

test.each([
  ['receiver.mjs', /```js\n(\/\/ receiver\.mjs\n[^]*?)```/, process.execPath],
  ['receiver.py', /```python\n(# receiver\.py\n[^]*?)```/, 'python3'],
])('the %s of docs/webhooks.md takes what is signed, and nothing else', async (name, block, program) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-webhook-'));
  await writeFile(path.join(directory, name), block.exec(page)?.[1] ?? '');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const acme = await givenOrganization(server);
  await sealAll(server, acme.id);
  const { secret } = await givenWebhook(acme.owner, { url }, ['repository.created']);
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], PORT: `${port}`, WEBHOOK_SECRET: secret };
  const child: ChildProcess = spawn(program, [name], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout?.on('data', (part: Buffer) => (said += part.toString()));
  child.stderr?.on('data', (part: Buffer) => (said += part.toString()));
  const post = (headers: Record<string, string>, body = '{}') => fetch(url, { method: 'POST', headers, body });
  try {
    await until(() =>
      post({}).then(
        ({ status }) => status === 400,
        () => false,
      ),
    );
    const made = await acme.owner(
      'mutation { createRepository(input: { name: "told", gitUrl: "https://git.example/x" }) { id } }',
    );
    expect(made.errors).toEqual([]);
    await deliver(server, acme.id, openDeliverer(server));
    const { data } = await acme.owner('{ webhooks { nodes { attempts { nodes { status sequence } } } } }');
    const [attempt] = data.webhooks?.nodes[0]?.attempts.nodes ?? [];
    expect([attempt?.status, said]).toEqual([204, `${attempt?.sequence} repository.created\n`]);
    const forged = { 'webhook-id': 'x', 'webhook-timestamp': `${Math.floor(Date.now() / 1000)}` };
    for (const signature of ['', 'v1,', 'v1,AAAA', `v1,${Buffer.alloc(32).toString('base64')}`, 'v2,x']) {
      expect((await post({ ...forged, 'webhook-signature': signature })).status).toBe(400);
    }
    expect((await post({ ...forged, 'webhook-timestamp': '1', 'webhook-signature': 'v1,AAAA' })).status).toBe(400);
  } finally {
    child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
});
