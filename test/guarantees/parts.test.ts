import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const SRC = path.join(import.meta.dirname, '../../src');

const texts = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('generated'))
  .map((file) => readFileSync(path.join(SRC, file), 'utf8'));

const named = (pattern: RegExp): string[] =>
  texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name = '']) => name)).toSorted();

// The compiler sees of what type a part is, not that there is one: without it, whoever first asks is who fails.
test('every part of a deployment MUST be added by whoever makes it, once', () => {
  const parts = named(/const (\w+) =\s*part</g);
  expect(parts.length).toBeGreaterThan(20);
  // None is made in a way that is not seen here.
  expect(named(/\bpart<()/g)).toHaveLength(parts.length);
  expect(named(/\.add\(\s*([A-Z][A-Z_]+)\b/g)).toEqual(parts);
});
