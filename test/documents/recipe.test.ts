import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isPostgres } from '../support/server.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const OWN = ['.git', '.data', 'node_modules', 'dist'];

/** Follows the README's "Add your own org-owned resource" to the letter, in a copy. Once is enough, so not on PostgreSQL. */
(isPostgres ? describe.skip : describe)('the recipe', () => {
  let copy: string;
  let recipe: string;

  beforeAll(async () => {
    copy = await mkdtemp(path.join(tmpdir(), 'orgate-recipe-'));
    await cp(ROOT, copy, { recursive: true, filter: (from) => !OWN.includes(path.relative(ROOT, from)) });
    // The packages, without what is remembered among them: another migration is another database.
    await mkdir(path.join(copy, 'node_modules'));
    for (const name of await readdir(path.join(ROOT, 'node_modules'))) {
      if (name === '.cache') continue;
      await symlink(path.join(ROOT, 'node_modules', name), path.join(copy, 'node_modules', name));
    }
    const readme = await readFile(path.join(ROOT, 'README.md'), 'utf8');
    recipe = readme.slice(readme.indexOf('## Add your own'), readme.indexOf('## Configuration'));
    await follow();
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  /** A block is the file that is named last before it; a line stands where the text says. */
  async function follow(): Promise<void> {
    for (const [, text = '', block = ''] of recipe.matchAll(/([^]*?)```\w+\n([^]*?)```/g)) {
      const [file] = [...text.matchAll(/`((?:prisma|schema|src|test)\/[\w./-]+\.\w+)`/g)]
        .map(([, name]) => name)
        .slice(-1);
      if (file === undefined) continue;
      await mkdir(path.dirname(path.join(copy, file)), { recursive: true });
      await writeFile(path.join(copy, file), block, { flag: 'wx' });
    }
    const [, line = '', ...models] = /the line `(.+?)` in both `(.+?)` and `(.+?)`/.exec(recipe) ?? [];
    expect(models).toHaveLength(2);
    for (const model of models) await edit(model, /\n\n {2}@@/, (end) => `\n  ${line}${end}`);
    const [, list = '', name = '', from = ''] =
      /`(src\/domains\/index\.ts)`: import `(\w+)` from `(.+?)`, and add it to `listed`/.exec(recipe) ?? [];
    await edit(list, /import \{ agent \}/, (first) => `import { ${name} } from '${from}';\n${first}`);
    await edit(list, /\n\] as const;/, (end) => `\n  ${name},${end}`);
  }

  async function edit(file: string, at: RegExp, change: (found: string) => string): Promise<void> {
    const text = await readFile(path.join(copy, file), 'utf8');
    expect(text).toMatch(at);
    await writeFile(path.join(copy, file), text.replace(at, change));
  }

  /** What a command printed, where it failed. */
  const failure = (command: string, ...args: string[]): Promise<string> =>
    new Promise((resolve) => {
      const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] };
      execFile(command, args, { cwd: copy, env, maxBuffer: 10_000_000 }, (error, stdout, stderr) =>
        resolve(error ? `${stdout}${stderr}` : ''),
      );
    });

  test('compiles, and what it makes does what its test says', async () => {
    expect(await failure('npm', 'run', '--silent', 'generate')).toBe('');
    expect(await failure('npx', 'tsc', '-p', '.', '--noEmit')).toBe('');
    const made = ['test/domains/project', 'test/data/organization/schema-agreement', 'test/guarantees/database'];
    expect(await failure('npm', 'test', '--', '--silent', ...made)).toBe('');
    // Its words in the record, and their lines in docs/audit.md.
    expect(await failure('npm', 'test', '--', '--silent', '-u', 'test/guarantees/record.test')).toBe('');
    expect(await readFile(path.join(copy, 'docs/audit.md'), 'utf8')).toContain('| A project became OVERDUE.');
    expect(await failure('npm', 'test', '--', '--silent', 'test/resource/lists', '-t', 'Query.projects')).toBe('');
  });

  test('compiles with due work in the place of the job, too', async () => {
    const [, line = '', name = '', from = ''] =
      /In `index\.ts` `(due: \[(\w+)\])`, from `(.+?)`, then takes the place of `jobs`/.exec(recipe) ?? [];
    const index = 'src/domains/project/index.ts';
    await edit(index, /import \{ jobs \} from .+;/, () => `import { ${name} } from '${from}';`);
    await edit(index, /\n {2}jobs,\n/, () => `\n  ${line},\n`);
    expect(await failure('npx', 'tsc', '-p', '.', '--noEmit')).toBe('');
  });
});
