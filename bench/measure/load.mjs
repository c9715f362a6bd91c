import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { BENCH } from '../settings.mjs';

const run = promisify(execFile);
let phase = 0;

/** Writes requests where the load generator reads them. @param {{ token: string, body: string }[]} requests */
export function writeRequests(name, requests) {
  mkdirSync(`${BENCH}work`, { recursive: true });
  const file = `${BENCH}work/${name}.requests`;
  writeFileSync(file, requests.map(({ token, body }) => `${token}\t${body}\n`).join(''));
  return file;
}

/**
 * Drives a gateway with wrk: each connection sends its next request when the last is answered.
 *
 * @param {string} file of writeRequests
 * @param {{ seconds: number, connections: number, checked?: boolean }} settings `checked` looks into every answer for errors
 * @returns {Promise<{ perSecond: number, requests: number, bytes: number, p50: number, p99: number }>} times in milliseconds
 */
export async function drive(url, file, { seconds, connections, checked = false }) {
  phase += 1;
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    `${BENCH}measure/load.lua`,
    url,
    '--',
    file,
    String(phase * 10_000_000),
    checked ? 'checked' : 'unchecked',
  ]);
  const result = JSON.parse(/^RESULT (.*)$/m.exec(stdout)?.[1] ?? 'null');
  if (!result || result.requests === 0) throw new Error(`no requests were answered:\n${stdout}`);
  const refused = /^REFUSED .*$/m.exec(stdout)?.[0];
  if (refused) throw new Error(refused);
  if (result.failed > 0) throw new Error(`${result.failed} requests failed:\n${stdout}`);
  return {
    perSecond: result.requests / (result.micros / 1e6),
    requests: result.requests,
    bytes: result.bytes / result.requests,
    p50: result.p50 / 1000,
    p99: result.p99 / 1000,
  };
}
