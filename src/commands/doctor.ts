import { type Config, ConfigError, readConfig } from '../config/config.js';
import { examine, type Examination } from '../data/start/doctor.js';
import type { Check } from '../data/start/isolation-check.js';
import { asError } from '../thrown.js';
import { readArguments } from './read-arguments.js';

const USAGE = `usage: npm run doctor [-- --domains] [-- --json]

  --domains  only whether every host leads to one organization, for pipelines
  --json     for machines, in place of a table

Examines the deployment that the environment names. Ends with 0 when all checks hold, else with 1.`;

/**
 * Says whether a deployment keeps organizations apart, in words that a security team can read. It leaves nothing behind
 * and migrates nothing, so it may be pointed at production.
 */
async function main(): Promise<void> {
  const { values } = readArguments(USAGE, {
    options: { domains: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  });
  const checks = await examineAll(values.domains ? 'domains' : 'all');
  const failed = checks.filter(({ ok }) => !ok);
  if (values.json) console.log(JSON.stringify({ ok: failed.length === 0, checks }, null, 2));
  else console.log(table(checks, failed.length));
  process.exitCode = failed.length > 0 ? 1 : 0;
}

async function examineAll(what: Examination): Promise<Check[]> {
  let config: Config;
  try {
    config = readConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [{ check: 'the configuration is complete', ok: false, detail: error.message }];
  }
  return [{ check: 'the configuration is complete', ok: true, detail: '' }, ...(await examine(config, what))];
}

function table(checks: readonly Check[], failed: number): string {
  const width = Math.max(...checks.map(({ check }) => check.length));
  const lines = checks.map(({ check, ok, detail }) => {
    const [first = '', ...rest] = detail.split('\n');
    return [
      `  ${ok ? 'ok  ' : 'FAIL'}  ${check.padEnd(width)}  ${first}`.trimEnd(),
      ...rest.map((line) => `        ${line}`),
    ].join('\n');
  });
  const verdict = failed === 0 ? `All ${checks.length} checks hold.` : `${failed} of ${checks.length} checks FAIL.`;
  return ['', ...lines, '', verdict].join('\n');
}

main().catch((error: unknown) => {
  console.error(asError(error).message);
  process.exit(1);
});
