import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { BENCH } from '../settings.mjs';

const run = promisify(execFile);

/**
 * What PostgreSQL alone does with the statements of an operation: recorded on the wire, each batch is sent again as it
 * was, by pgbench. One script for each organization; its values are bound, not written into the text.
 *
 * @param {import('./wire.mjs').Statement[][][]} recordings batches of one request each
 * @returns {Promise<number>} operations in a second
 */
export async function runPgbench({ gatewayUrl }, recordings, { pgbenchSeconds, connections }) {
  mkdirSync(`${BENCH}work`, { recursive: true });
  const args = ['-n', '-M', 'prepared', '-c', String(connections), '-j', '1', '-T', String(pgbenchSeconds)];
  recordings.forEach((batches, index) => {
    const variables = [];
    const script = batches.map((batch) => {
      const statements = batch.map(({ text, values }) =>
        text.replace(/\$(\d+)/g, (_, position) => {
          const value = values[Number(position) - 1];
          if (value === null) return 'null';
          if (value === '') return "''"; // pgbench has no empty variables
          const name = `v${index}_${variables.length}`;
          variables.push(`${name}=${value}`);
          return `:${name}`;
        }),
      );
      const lines = statements.map((text) => `${text.replaceAll('\n', ' ').trim()};`);
      return ['\\startpipeline', ...lines, '\\endpipeline'].join('\n');
    });
    const file = `${BENCH}work/pgbench-${index}.sql`;
    writeFileSync(file, `${script.join('\n')}\n`);
    args.push('-f', file, ...variables.flatMap((each) => ['-D', each]));
  });
  // Its arguments are long, and one is a password: of a failure only what it wrote is shown.
  const { stdout, stderr } = await run('pgbench', [...args, gatewayUrl], { maxBuffer: 1e8 }).catch((error) => error);
  if (/error|aborted/i.test(stderr)) throw new Error(`pgbench: ${stderr.slice(0, 2000)}`);
  return Number(/^tps = ([\d.]+)/m.exec(stdout)?.[1]);
}
