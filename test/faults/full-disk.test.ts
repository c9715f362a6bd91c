/** @alone: what it starts and takes away leaves others little of the machine. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { expectSurvived, startGateway, startLoad } from '../support/load.js';
import { whyNot } from '../support/may.js';
import { startPostgres } from '../support/postgres.js';
import { ask, command, newDirectory, start } from '../support/process.js';
import { isPostgres } from '../support/server.js';

/** Of PostgreSQL's log of what it writes, which comes in files of this size. */
const SEGMENT_BYTES = 16 * 1024 * 1024;
const START = 'mutation ($id: ID!, $input: JSON) { startRun(input: { agentId: $id, input: $input }) { id } }';

test('an embedded database that can write its log no longer ends the process, and nothing acknowledged is lost', async () => {
  const DATA_DIR = await newDirectory();
  const first = await start({ DATA_DIR, RATE_LIMIT_PERSON: 'off', RATE_LIMIT_PERSON_POINTS: 'off' });
  const { stdout } = await command('token', ['ann@acme.example', '--org', 'acme'], { DATA_DIR });
  const token = stdout.trim();
  const { agents, runs } = await ask(first, token, '{ agents { nodes { id } } runs { totalCount } }');
  // As a full disk does, this lets PostgreSQL go on until it needs the next file.
  execFileSync('prlimit', ['--pid', String(first.child.pid), `--fsize=${SEGMENT_BYTES - 8192}`]);

  /** Null where nothing answers. */
  const startRun = () =>
    fetch(`${first.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        query: START,
        variables: { id: agents.nodes[0].id, input: { noise: randomBytes(45_000).toString('base64') } },
      }),
      signal: AbortSignal.timeout(20_000),
    })
      .then((response) => response.json() as Promise<{ data: { startRun: object | null } | null }>)
      .catch(() => null);
  let kept = 0;
  for (let round = 0; round < 2000; round += 1) {
    const answer = await startRun();
    if (!answer) break;
    if (answer.data?.startRun) kept += 1;
  }
  for (let waited = 0; first.child.exitCode === null && waited < 200; waited += 1) await wait(50);
  expect(await first.end('SIGKILL')).toBe(1);
  expect(first.output()).toContain('The embedded database has crashed');
  expect(kept).toBeGreaterThan(0);

  const again = await start({ DATA_DIR });
  const after = await ask(again, token, '{ runs { totalCount } }');
  expect(after.runs.totalCount).toBeGreaterThanOrEqual(runs.totalCount + kept);
  expect(await again.end()).toBe(0);
});

/** A disk of its own. @throws where this process may not mount one */
function mountDisk(megabytes: number): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'orgate-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', directory], { stdio: 'pipe' });
  return directory;
}

const unmountDisk = (disk: string) => execFileSync('umount', ['--lazy', disk]);

const skipped = isPostgres ? whyNot('mount a disk', () => unmountDisk(mountDisk(1))) : 'it takes a PostgreSQL';

(skipped === null ? test : test.skip)(
  `a PostgreSQL whose disk is full is SERVICE_UNAVAILABLE, and nothing acknowledged is lost once there is room${skipped === null ? '' : ` (skipped: ${skipped})`}`,
  async () => {
    const disk = mountDisk(300);
    try {
      const postgres = await startPostgres({ max_wal_size: '64MB', min_wal_size: '32MB', wal_recycle: 'off' }, disk);
      const gateway = await startGateway({ DATABASE_URL: postgres.url, DATABASE_POOL_SIZE: '6' });
      const load = startLoad(gateway);
      await load.served(50);
      const filler = path.join(disk, 'filler');
      const { bavail, bsize } = await statfs(disk);
      await writeFile(filler, Buffer.alloc(bavail * bsize - 1024 * 1024));
      const codeOf = async () =>
        (await gateway.ask('mutation { updateOrganization(input: { description: "full" }) { id } }')).code;
      for (let waited = 0; waited < 600 && (await codeOf()) === 'OK'; waited += 1) await wait(50);
      expect(await codeOf()).toBe('SERVICE_UNAVAILABLE');
      await rm(filler);
      await postgres.stop('immediate');
      await postgres.start();
      await load.served(50);
      await expectSurvived('a full disk', gateway, postgres, await load.stop());
      await gateway.close();
      await postgres.close();
    } finally {
      unmountDisk(disk);
    }
  },
);
