import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * `npm run check`: what a commit must pass, but for the long suites. Its parts run side by side, those that take longest
 * first; what each took is said, and what one printed only when it failed. All run, however many fail.
 */
const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

const QUICK_TESTS = [
  'test/config',
  'test/secrets',
  'test/development/without-development',
  'test/guarantees/access-table',
  'test/resource/bad-input',
  'test/bound-json',
];

const parts = [
  `${scripts.test} --silent ${QUICK_TESTS.join(' ')}`,
  ...scripts.lint.split(' && '),
  scripts.typecheck,
  'node .config/commits.js',
  // By what files say: a checkout gives old files new dates.
  'prettier --check --log-level warn --cache --cache-strategy content .',
];

const began = performance.now();
let failed = 0;

async function run(command) {
  const since = performance.now();
  const child = spawn(command, { cwd: new URL('../', import.meta.url), shell: true });
  const printed = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => printed.push(chunk));
  const [code] = await once(child, 'close');
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${seconds(since)}  ${command.slice(0, 90)}`);
  if (code === 0) return;
  failed += 1;
  console.log(Buffer.concat(printed).toString());
}

async function work() {
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) await run(part);
}

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1).padStart(5)} s`;

await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work));
console.log(`${failed === 0 ? 'ok  ' : 'FAIL'} ${seconds(began)}  in all`);
process.exitCode = failed === 0 ? 0 : 1;
