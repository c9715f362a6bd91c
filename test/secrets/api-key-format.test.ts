import { describe, expect, test } from '@jest/globals';
import { type KeyEnvironment, makeApiKey, readApiKey } from '../../src/secrets/api-key-format.js';

const make = (environment: KeyEnvironment = 'live') => makeApiKey(environment, Date.now());

describe('A key', () => {
  test('is recognised by the pattern that scanners are given, alone and within a text', () => {
    const PATTERN = /\bog_(?:live|test)_[0-9a-v]{26}_[0-9a-v]{32}_[0-9a-v]{7}\b/;
    for (const environment of ['live', 'test'] as const) {
      const { key } = make(environment);
      expect(PATTERN.exec(`export ORGATE_KEY="${key}"; run`)?.[0]).toBe(key);
    }
  });

  test('is read back as the id and hash it was made with, and holds the four characters that are kept', () => {
    for (let round = 0; round < 200; round += 1) {
      const { key, id, hash, lastFour } = make();
      expect(readApiKey(key, 'live')).toEqual({ id, hash });
      expect(id).toMatch(/^key_[0-9a-v]{26}$/);
      expect([key.endsWith(lastFour), lastFour.length, hash.includes(key)]).toEqual([true, 4, false]);
    }
  });

  test('is no key in the other environment', () => {
    expect(readApiKey(make('live').key, 'test')).toBeNull();
    expect(readApiKey(make('test').key, 'live')).toBeNull();
  });

  test('with any one character changed, left out, doubled or swapped is none', () => {
    const { key } = make();
    for (let at = 0; at < key.length; at += 1) {
      const [before, it, after] = [key.slice(0, at), key.charAt(at), key.slice(at + 1)];
      const other = it === 'a' ? 'b' : 'a';
      const next = after.charAt(0);
      const wrong = [
        before + other + after,
        before + after,
        before + it + it + after,
        before + it.toUpperCase() + after,
      ];
      if (next !== it) wrong.push(before + next + it + after.slice(1));
      for (const each of wrong) if (each !== key) expect([each, readApiKey(each, 'live')]).toEqual([each, null]);
    }
  });

  test('is told from everything else', () => {
    const { key } = make();
    for (const text of ['', 'og_', 'og_live', key.toUpperCase(), ` ${key}`, `${key}\n`, `${key}x`, `${key} ${key}`]) {
      expect(readApiKey(text, 'live')).toBeNull();
    }
  });
});
