import { readdirSync, readFileSync } from 'node:fs';
import './typescript.js';

/**
 * One server of `npm run dev`. It is started before it is needed: the packages, which no save changes, are loaded while the
 * server before it still serves, and what is in src once it is told to.
 */
const SRC = new URL('../src/', import.meta.url);
// The embedded database is open in the process that tells.
const ELSEWHERE = /^@electric-sql\//;

/** What src imports by name and not by type alone. */
function packages() {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => /(?<!\.d)\.ts$/.test(file));
  const named = files.flatMap((file) => [
    ...readFileSync(new URL(file, SRC), 'utf8').matchAll(/^(?:import|export|\}) (?!type ).*?'([^.'][^']*)';$/gm),
  ]);
  return new Set(named.map(([, name]) => name).filter((name) => !ELSEWHERE.test(name)));
}

process.once('disconnect', () => process.kill(process.pid, 'SIGTERM')); // nobody is there any more who would end it
process.once('message', () => {
  process.channel.unref();
  void import('../src/main.ts').then(() => process.send('serving'));
});
for (const name of packages()) await import(name).catch(() => undefined); // what is wrong with it, the server says
