import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { DataDirectoryInUseError, lockDataDirectory } from '../../../src/data/start/data-directory-lock.js';

const newDirectory = () => mkdtemp(path.join(tmpdir(), 'orgate-lock-'));

test('a directory is held by one, and free again once released', async () => {
  const directory = await newDirectory();
  const release = await lockDataDirectory(directory);
  await expect(lockDataDirectory(directory)).rejects.toThrow(DataDirectoryInUseError);
  await expect(lockDataDirectory(directory)).rejects.toMatchObject({ pid: process.pid });
  await release();
  const again = await lockDataDirectory(directory);
  await again();
});

test('of many that try at once exactly one holds it, round after round', async () => {
  const directory = await newDirectory();
  for (let round = 0; round < 20; round += 1) {
    const tried = await Promise.allSettled(Array.from({ length: 10 }, () => lockDataDirectory(directory)));
    const held = tried.filter((each) => each.status === 'fulfilled');
    expect(held).toHaveLength(1);
    await held[0]?.value();
  }
  expect(await readdir(path.join(directory, 'lock'))).toHaveLength(1);
});

test.each([
  ['a process that is gone', JSON.stringify({ pid: 999_999_999, began: null })],
  ['an earlier process of the same number', JSON.stringify({ pid: process.pid, began: 'another boot 1' })],
  ['a release', 'released'],
  ['a file that was cut off', '{"pid":'],
])('the lock of %s is taken over', async (_name, content) => {
  const directory = await newDirectory();
  await (
    await lockDataDirectory(directory)
  )();
  await writeFile(path.join(directory, 'lock', '1'), content);
  const release = await lockDataDirectory(directory);
  await expect(lockDataDirectory(directory)).rejects.toThrow('is in use by process');
  await release();
});
