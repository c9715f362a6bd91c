import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MUTANTS } from './list.mjs';

// Breaks one important line after the other, in a copy, and runs the test that promises to see it. Fails when one
// lives. `npm run mutants`, or of some files only: `npm run mutants -- escalation owners`.

const copy = mkdtempSync(path.join(tmpdir(), 'orgate-mutants-'));
const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).trim().split('\n');
for (const file of files) cpSync(file, path.join(copy, file));
for (const made of ['node_modules', 'dist']) symlinkSync(path.resolve(made), path.join(copy, made));
cpSync('src/generated', path.join(copy, 'src/generated'), { recursive: true });

const passes = (test) => spawnSync('npx', ['jest', '--bail', test], { cwd: copy, stdio: 'ignore' }).status === 0;
/** Of each test, whether it passes while nothing is broken: one that fails by itself would see whatever is broken. */
const sound = new Map();
const isSound = (test) => {
  if (!sound.has(test)) sound.set(test, passes(test));
  return sound.get(test);
};

const wanted = process.argv.slice(2);
const alive = [];
let tried = 0;
try {
  for (const [name, line, broken, test] of MUTANTS) {
    if (wanted.length > 0 && !wanted.some((part) => name.includes(part))) continue;
    tried += 1;
    const file = path.join(copy, 'src', name);
    const whole = readFileSync(file, 'utf8');
    let verdict = 'the line is not there, or not once';
    if (whole.split(line).length === 2 && !isSound(test)) verdict = 'its test fails by itself';
    else if (whole.split(line).length === 2) {
      writeFileSync(
        file,
        whole.replace(line, () => broken),
      );
      verdict = passes(test) ? 'LIVES' : 'died';
      writeFileSync(file, whole);
    }
    if (verdict !== 'died') alive.push(name);
    console.log(`${verdict.padEnd(6)} ${name}: ${line.split('\n')[0].trim().slice(0, 80)}  (${test})`);
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
console.log(`\n${tried - alive.length} of ${tried} died`);
process.exitCode = alive.length > 0 || tried === 0 ? 1 : 0;
