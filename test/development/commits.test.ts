import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const run = promisify(execFile);
const CHECK = path.join(import.meta.dirname, '../../.config/commits.js');

let root: string;
beforeAll(async () => void (root = await mkdtemp(path.join(tmpdir(), 'orgate-commits-'))));
afterAll(() => rm(root, { recursive: true, force: true }));

const git = async (directory: string, ...args: string[]) => {
  const somebody = [
    '-c',
    'user.name=Somebody',
    '-c',
    'user.email=somebody@orgate.example',
    '-c',
    'commit.gpgsign=false',
  ];
  await run('git', [...somebody, ...args], { cwd: directory });
};
const commit = (directory: string, ...texts: string[]) =>
  git(directory, 'commit', '--quiet', '--allow-empty', ...texts.flatMap((text) => ['-m', text]));

async function givenClone(name: string): Promise<string> {
  const directory = path.join(root, name);
  await git(root, 'init', '--quiet', '--initial-branch=main', directory);
  return directory;
}

/** What it says is wrong. */
const check = (directory: string): Promise<string> =>
  run(process.execPath, [CHECK, directory]).then(
    () => '',
    ({ stderr }: { stderr: string }) => stderr,
  );

const WHY = 'Somebody asked for it.';

test.each([
  ['a subject without a scope', ['Runs are quick', WHY], 'names no scope'],
  ['a long subject', [`runs: ${'quick '.repeat(12)}`, WHY], 'more than 72'],
  ['no body', ['runs: quick'], 'no body says why'],
  ['a body of trailers', ['runs: quick', 'Co-authored-by: Somebody <somebody@orgate.example>'], 'no body says why'],
])('%s is told', async (name, texts, wrong) => {
  const directory = await givenClone(name);
  await commit(directory, ...texts);
  expect(await check(directory)).toContain(wrong);
});

test('the newest commit is looked at, or all that are not in the branch yet', async () => {
  const directory = await givenClone('branch');
  await commit(directory, 'of before there were rules');
  await commit(directory, 'runs, usage: quick', WHY);
  expect(await check(directory)).toBe('');
  await git(directory, 'checkout', '--quiet', '-b', 'topic', '--track', 'main');
  await commit(directory, 'wrong', WHY);
  await commit(directory, 'webhook tests: right', WHY);
  expect(await check(directory)).toContain('wrong');
});

test('merges, and what has no commits, are passed', async () => {
  const directory = await givenClone('merge');
  expect(await check(directory)).toBe('');
  await commit(directory, 'runs: quick', WHY);
  await git(directory, 'checkout', '--quiet', '-b', 'topic');
  await commit(directory, 'usage: quick', WHY);
  await git(directory, 'checkout', '--quiet', 'main');
  await git(directory, 'merge', '--quiet', '--no-ff', '-m', "Merge branch 'topic'", 'topic');
  expect(await check(directory)).toBe('');
  await git(root, 'clone', '--quiet', '--depth=1', `file://${directory}`, 'shallow');
  expect(await check(path.join(root, 'shallow'))).toBe('');
  // Unpacked within a clone of something else.
  await commit(directory, 'wrong');
  await mkdir(path.join(directory, 'unpacked'));
  expect(await check(path.join(directory, 'unpacked'))).toBe('');
  expect(await check(directory)).toContain('wrong');
});
