import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const CACHE = fileURLToPath(new URL('../node_modules/.cache/orgate/', import.meta.url));
const OPTIONS = {
  sourceMaps: 'inline',
  jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
  module: { type: 'es6' },
  swcrc: false,
};

/** In place of which file of src another stands, in servers of `npm run dev`. */
const OPENED = process.env.ORGATE_DEV_SOCKET && new URL('../src/data/start/embedded.ts', import.meta.url).href;

const isTypeScript = (url) => /^file:.*\.ts(\?|$)/.test(url);

/** TypeScript names what its compiler writes: `./roles.js` is roles.ts. */
export function resolve(specifier, context, next) {
  if (!/^\.{1,2}\/.*\.js$/.test(specifier) || !isTypeScript(context.parentURL ?? '')) return next(specifier, context);
  const source = new URL(specifier.replace(/js$/, 'ts'), context.parentURL);
  if (source.href === OPENED) return { url: new URL('./opened-embedded.js', import.meta.url).href, shortCircuit: true };
  return existsSync(source) ? next(source.href, context) : next(specifier, context);
}

export function load(url, context, next) {
  if (!isTypeScript(url)) return next(url, context);
  return { format: 'module', source: compile(fileURLToPath(url)), shortCircuit: true };
}

/** What was compiled once is read again, by this process and by those after it, until the file says something else. */
export function compile(filename) {
  const text = readFileSync(filename, 'utf8');
  // Wherever it lies: maps name it from beside itself.
  const options = { ...OPTIONS, sourceFileName: path.basename(filename) };
  const key = createHash('sha256')
    .update(JSON.stringify([options, text]))
    .digest('hex');
  const kept = `${CACHE}${key}.js`;
  if (existsSync(kept)) return readFileSync(kept, 'utf8');
  // Loading the compiler takes longer than reading what it made.
  const { transformSync } = createRequire(import.meta.url)('@swc/core');
  const { code } = transformSync(text, { ...options, filename });
  mkdirSync(CACHE, { recursive: true });
  // Others write the same at the same time; nobody reads half of it.
  const written = `${CACHE}${randomUUID()}`;
  writeFileSync(written, code);
  renameSync(written, kept);
  return code;
}
