import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Browser } from '../support/browser.js';
import { ask, command, newDirectory, type Process, start } from '../support/process.js';

let server: Process;
let directory: string;
beforeAll(async () => {
  directory = await newDirectory();
  server = await start({ DATA_DIR: directory });
});
afterAll(() => server.end());

/** As someone at this machine would: to the start, to the demo provider's page, and on. */
async function signIn(path: string, email: string): Promise<string> {
  const browser = new Browser();
  const choosing = await browser.visit(server.url + path);
  const { url, text } = await browser.visit(choosing.url, { method: 'POST', form: { email }, from: choosing.url });
  expect(url).toBe(`${server.url}/auth/organizations`);
  return text;
}

test('a newcomer signs in as someone of the demo world, or as someone new', async () => {
  const bob = await signIn('/auth', 'bob@globex.example');
  expect(bob).toContain('Globex');
  expect(bob).not.toContain('Acme');
  expect(await signIn('/auth', 'jane@anywhere.example')).toContain('You do not belong to an organization yet.');
  // Whom the domain of their address leads into an organization at once.
  expect(await signIn('/auth', 'gus@globex.example')).toContain('Developer');
});

test('and through acme’s own provider, once Ann has given acme one', async () => {
  const { stdout: token } = await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR: directory });
  const made = await ask(
    server,
    token.trim(),
    `mutation { createOidcProvider(input: { name: "Acme", issuer: "${server.url}/dev/idp", clientId: "orgate" }) { startUrl } }`,
  );
  expect(made['createOidcProvider']).toEqual({ startUrl: `${server.url}/auth/acme` });
  const ann = await signIn('/auth/acme', 'ann@acme.example');
  expect(ann).toContain('Acme');
  expect(ann).not.toContain('Globex');
  expect(await signIn('/auth/acme', 'zoe@acme.example')).toContain('Viewer');
});
