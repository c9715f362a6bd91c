import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ask, command, newDirectory, type Process, start } from '../support/process.js';
import { isPostgres } from '../support/server.js';
import { until } from '../support/until.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COPIED = ['.config', 'prisma', 'schema', 'src', 'codegen.ts', 'package.json', 'tsconfig.json'];
const REPOSITORY = 'src/domains/repository/index.ts';

/** `npm run dev` in a copy, whose files can be saved. What is kept open is the embedded database, so not on PostgreSQL. */
(isPostgres ? describe.skip : describe)('npm run dev', () => {
  let copy: string;
  let dev: Process;
  let token: string;

  beforeAll(async () => {
    copy = await newDirectory();
    for (const name of COPIED) await cp(path.join(ROOT, name), path.join(copy, name), { recursive: true });
    await cp(path.join(ROOT, 'test/generated'), path.join(copy, 'test/generated'), { recursive: true });
    await symlink(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'));
    const DATA_DIR = path.join(copy, '.data');
    dev = await start({ DATA_DIR, LOG_LEVEL: 'silent' }, { program: path.join(copy, '.config/dev.js'), cwd: copy });
    token = (await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR })).stdout.trim();
  });
  afterAll(() => dev?.end('SIGKILL'));

  const starts = () => dev.output().split('orgate is ready.').length - 1;

  async function save(change: (text: string) => string): Promise<void> {
    const file = path.join(copy, REPOSITORY);
    const before = starts();
    await writeFile(file, change(await readFile(file, 'utf8')));
    await until(() => starts() > before);
  }

  test('serves what was saved, from a database that stays open', async () => {
    const CREATE = 'mutation { createRepository(input: { name: "kept", gitUrl: "https://git.example/kept" }) { id } }';
    const { id } = (await ask(dev, token, CREATE)).createRepository;
    await save((text) =>
      text.replace('  AgentRepository: {', '  AgentRepository: {\n    name: ({ name }) => `${name}, changed`,'),
    );
    expect(await ask(dev, token, `{ repository(id: "${id}") { name } }`)).toEqual({
      repository: { name: 'kept, changed' },
    });
    expect(dev.output().match(/opened the embedded database/g) ?? []).toEqual([]);
  });

  test('goes on once what was saved by mistake is mended', async () => {
    const file = path.join(copy, REPOSITORY);
    const right = await readFile(file, 'utf8');
    await writeFile(file, `${right}\nconst {`);
    await until(() => dev.output().includes('It starts anew once a file is saved.'));
    await save(() => right);
    expect(await ask(dev, token, '{ viewer { role } }')).toEqual({ viewer: { role: 'OWNER' } });
  });

  test('leaves no server behind that nobody could end', async () => {
    await dev.end('SIGKILL');
    await until(
      async () =>
        !(await fetch(`${dev.url}/livez`).then(
          () => true,
          () => false,
        )),
    );
  });
});
