import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { isPostgres } from '../support/server.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

/** What a page asks, and what it may make of the answer; the line that is wrong is found. */
const PAGE = `import type { ResultOf } from '@graphql-typed-document-node/core';
import { graphql } from './gql';
const asked = graphql(\`query Runs { runs(first: 5) { totalCount nodes { id createdAt input } } }\`);
export const shown = ({ runs }: ResultOf<typeof asked>): [number, string][] =>
  (runs?.nodes ?? []).map(({ createdAt }) => [runs?.totalCount ?? 0, createdAt]);
// @ts-expect-error No such field was asked for.
export const wrong = ({ runs }: ResultOf<typeof asked>) => runs?.edges;
`;

/** It asks for nothing that the database has, so once is enough. */
(isPostgres ? test.skip : test)(
  'the types that docs/frontend.md has made from the contract fit it',
  async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'orgate-codegen-'));
    try {
      const page = await readFile(path.join(ROOT, 'docs/frontend.md'), 'utf8');
      const [, block = ''] = /```ts\n(const config: CodegenConfig = [^]*?)```/.exec(page) ?? [];
      const config = block.replace('http://localhost:4000/schema.graphql', path.join(ROOT, 'schema.graphql'));
      expect(config).not.toBe(block);
      await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
      await mkdir(path.join(folder, 'src'));
      await writeFile(path.join(folder, 'src/page.ts'), PAGE);
      await writeFile(
        path.join(folder, 'codegen.ts'),
        `import type { CodegenConfig } from '@graphql-codegen/cli';\n${config}export default config;\n`,
      );
      const bin = (name: string, ...rest: string[]) =>
        run(process.execPath, [path.join(ROOT, 'node_modules', name), ...rest], { cwd: folder });
      await bin('@graphql-codegen/cli/esm/bin.js', '--config', 'codegen.ts');
      const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--moduleResolution', 'bundler'];
      await expect(bin('typescript/bin/tsc', ...options, 'src/page.ts')).resolves.toMatchObject({ stdout: '' });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
