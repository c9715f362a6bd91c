// Takes things away from the built gateway, and writes down what its clients saw: `npm run faults`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
const USAGE = `npm run faults -- [--write]

  --write   in place of the results that are kept
`;
const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(USAGE);
  process.exit(0);
}
if (args.some((arg) => arg !== '--write')) {
  console.error(USAGE);
  process.exit(2);
}
if (!existsSync(path.join(project, 'dist/main.js'))) {
  console.error('The gateway is not built; run `npm run build` first.');
  process.exit(2);
}
const directory = mkdtempSync(path.join(tmpdir(), 'orgate-faults-'));
const file = path.join(directory, 'figures.jsonl');
const { status } = spawnSync(process.execPath, ['node_modules/jest/bin/jest.js', 'test/faults'], {
  cwd: project,
  stdio: 'inherit',
  env: {
    TEST_DATABASE_URL: 'postgres://postgres@127.0.0.1:5432/postgres',
    ...process.env,
    ORGATE_FAULTS_FILE: file,
  },
});
const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
const trials = lines.map((line) => JSON.parse(line)).sort((a, b) => a.trial.localeCompare(b.trial));
rmSync(directory, { recursive: true });

const count = ({ codes = {} }, code) => codes[code] ?? 0;
const others = ({ codes = {} }) =>
  Object.entries(codes)
    .filter(([code]) => code !== 'OK' && code !== 'SERVICE_UNAVAILABLE')
    .map(([code, times]) => `${times} ${code}`)
    .join(', ');
const rows = trials.map((each) =>
  [
    each.trial,
    count(each, 'OK'),
    count(each, 'SERVICE_UNAVAILABLE'),
    others(each) || 0,
    each.firstAnswerMs === undefined ? '' : `${each.firstAnswerMs} ms`,
    each.acknowledged,
    each.lost,
  ].join(' | '),
);
const results = path.join(project, 'bench/results', args.includes('--write') ? '' : 'quick');
mkdirSync(results, { recursive: true });
const what = `Node.js ${process.version}, ${new Date().toISOString().slice(0, 10)}`;
writeFileSync(
  path.join(results, 'faults.json'),
  `${JSON.stringify({ what, passed: status === 0, trials }, null, 2)}\n`,
);
writeFileSync(
  path.join(results, 'faults.md'),
  `# What clients saw while something was taken away

\`npm run faults\` (${what}): the built gateway, on a PostgreSQL, a PgBouncer and a Redis that each trial starts itself, under the
load of a dozen clients that write, read and change, one request after the other, and go on whatever they are told. The tests
that took these figures, \`test/faults/\`, ${status === 0 ? 'passed' : 'FAILED'}: the process lived, it served again by itself, and every write that was
acknowledged was found afterwards.

| taken away | answered | told to try again | other errors | first answer once it was back | writes acknowledged | of these lost |
| --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join('\n')}
`,
);
console.log(readFileSync(path.join(results, 'faults.md'), 'utf8'));
console.log(`written to ${path.relative(project, results)}/faults.md`);
process.exit(status ?? 1);
