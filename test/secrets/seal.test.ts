import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { createSeal, openSeal } from '../../src/secrets/seal.js';

const key = (fill: number): string => Buffer.alloc(32, fill).toString('base64');

test('what is sealed is opened for the same purpose, and for no other', async () => {
  const seal = createSeal([key(1)]);
  const sealed = await seal.seal('hunter2', 'connection/acme');
  expect(sealed).not.toContain('hunter2');
  expect(await seal.seal('hunter2', 'connection/acme')).not.toBe(sealed);
  expect(await seal.open(sealed, 'connection/acme')).toBe('hunter2');
  await expect(seal.open(sealed, 'connection/globex')).rejects.toThrow('another purpose');
});

test('an altered value does not open', async () => {
  const seal = createSeal([key(1)]);
  const parts = (await seal.seal('hunter2', 'p')).split('.');
  for (const index of [0, 2, 3, 4]) {
    const altered = parts.map((part, at) =>
      at === index ? `${part.startsWith('A') ? 'B' : 'A'}${part.slice(1)}` : part,
    );
    await expect(seal.open(altered.join('.'), 'p')).rejects.toThrow();
  }
});

test('a key is replaced by putting the new one first; once the old one is gone, its secrets are too', async () => {
  const sealed = await createSeal([key(1)]).seal('hunter2', 'p');
  expect(await createSeal([key(2), key(1)]).open(sealed, 'p')).toBe('hunter2');
  await expect(createSeal([key(2)]).open(sealed, 'p')).rejects.toThrow('key that is gone');
  const renewed = await createSeal([key(2), key(1)]).seal('hunter2', 'p');
  expect(await createSeal([key(2)]).open(renewed, 'p')).toBe('hunter2');
});

test('without a configured key one is made, once, for this user only', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'orgate-seal-'));
  const [first, second] = await Promise.all([openSeal(null, directory), openSeal(null, directory)]);
  expect(await second.open(await first.seal('hunter2', 'p'), 'p')).toBe('hunter2');
  expect((await stat(path.join(directory, 'secret.key'))).mode & 0o777).toBe(0o600);
  await rm(directory, { recursive: true });
});
