import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

// The lint rule knows nothing of `import()`.
test('nothing but load-development.ts asks for what a production image has not', () => {
  const src = path.resolve('src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.startsWith('development/'),
  );
  const asking = files.filter((file) => {
    const text = readFileSync(path.join(src, file), 'utf8').replaceAll(/^import type .*$/gm, '');
    return /(?:from|import\(|import|require\(|new URL\()\s*['"`][^'"`]*\bdevelopment\/\w/.test(text);
  });
  expect(asking).toEqual(['load-development.ts']);
});
