import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * `npm run dev`: the gateway from TypeScript, started anew whenever a file of src or schema was saved. The port stays,
 * and with it what GraphiQL keeps in the browser. Types are not checked here: `npm run check` does.
 */
const ROOT = new URL('../', import.meta.url);
const WATCHED = ['src', 'schema'];
// Editors save in several steps, and a checkout changes many files.
const SETTLED_MS = 50;

const start = () =>
  spawn(process.execPath, ['--import', './.config/typescript.js', 'src/main.ts', ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: 'inherit',
  });

let child = start();
let turn = Promise.resolve();
let timer;

async function end() {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, 'exit');
}

async function restart(file) {
  console.log(`\n${file} was saved.`);
  await end();
  child = start();
}

for (const folder of WATCHED) {
  watch(fileURLToPath(new URL(folder, ROOT)), { recursive: true }, (_event, name) => {
    if (!/\.(ts|graphql)$/.test(name ?? '')) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      turn = turn.then(() => restart(`${folder}/${name}`));
    }, SETTLED_MS);
  });
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => void end().then(() => process.exit(0)));
