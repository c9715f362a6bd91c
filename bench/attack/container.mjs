import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * A control group that holds a process to so much memory, without swap, as a container does.
 *
 * @typedef {object} Container
 * @property {string} kind what it is made with
 * @property {readonly string[]} prefix what a command is started with, to run inside; the process id stays its own
 * @property {(pid: number) => { peakMb: number | null, killed: number | null }} read the peak of all that counts, the cache
 *   of files included, and how many processes the kernel has killed; null where the kernel does not say
 * @property {() => void} remove once nothing runs in it
 */

const ROOT = '/sys/fs/cgroup';
const PREFIX = 'orgate_attack_';
const name = `${PREFIX}${process.pid}`;

/** @returns {Container} */
export function openContainer(memoryMiB) {
  const bytes = String(memoryMiB * 1024 * 1024);
  const problems = [];
  for (const open of [openFirst, openSecond, openScope]) {
    try {
      return open(bytes);
    } catch (error) {
      problems.push(`  ${open.title}: ${error.message}`);
    }
  }
  throw new Error(
    `No way was found to hold a process to ${memoryMiB} MiB; run this as root, or where systemd runs.\n${problems.join('\n')}`,
  );
}

/** Moves the shell into the group before it becomes the command. */
const entering = (path) => ['/bin/sh', '-c', `echo $$ > ${path}/cgroup.procs && exec "$@"`, 'sh'];
const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const mb = (text) => (/^\d+/.test(text) ? Number.parseInt(text, 10) / 1024 / 1024 : null);
const countOf = (text, field) => {
  const found = new RegExp(`^${field} (\\d+)`, 'm').exec(text);
  return found && Number(found[1]);
};

openFirst.title = 'control groups, version 1';
function openFirst(bytes) {
  const path = `${ROOT}/memory/${name}`;
  if (!existsSync(`${ROOT}/memory/memory.limit_in_bytes`)) throw new Error('not mounted here');
  return limited(
    path,
    openFirst.title,
    [
      ['memory.limit_in_bytes', bytes],
      ['memory.memsw.limit_in_bytes', bytes],
    ],
    () => ({
      peakMb: mb(read(`${path}/memory.max_usage_in_bytes`)),
      killed: countOf(read(`${path}/memory.oom_control`), 'oom_kill'),
    }),
  );
}

openSecond.title = 'control groups, version 2';
function openSecond(bytes) {
  const path = `${ROOT}/${name}`;
  if (!read(`${ROOT}/cgroup.controllers`).includes('memory')) throw new Error('not mounted here, or without memory');
  if (!read(`${ROOT}/cgroup.subtree_control`).includes('memory'))
    writeFileSync(`${ROOT}/cgroup.subtree_control`, '+memory');
  return limited(
    path,
    openSecond.title,
    [
      ['memory.max', bytes],
      ['memory.swap.max', '0'],
    ],
    () => readSecond(path),
  );
}

const readSecond = (path) => ({
  peakMb: mb(read(`${path}/memory.peak`)),
  killed: countOf(read(`${path}/memory.events`), 'oom_kill'),
});

function limited(path, kind, limits, look) {
  removeLeft(dirname(path));
  mkdirSync(path);
  try {
    for (const [file, value] of limits) {
      // A kernel that does not count swap has no such file; there must be none to go to, then.
      if (!existsSync(`${path}/${file}`)) {
        if (/^SwapTotal:\s+0 kB/m.test(read('/proc/meminfo'))) continue;
        throw new Error(`${file} is missing, and there is swap`);
      }
      writeFileSync(`${path}/${file}`, value);
    }
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
  return { kind, prefix: entering(path), read: look, remove: () => rmdirSync(path) };
}

/** Of runs that were cut off; a group in which something runs stays. */
function removeLeft(directory) {
  for (const each of readdirSync(directory).filter((entry) => entry.startsWith(PREFIX))) {
    try {
      rmdirSync(`${directory}/${each}`);
    } catch {
      // In use.
    }
  }
}

openScope.title = 'systemd-run';
function openScope(bytes) {
  const prefix = [
    'systemd-run',
    ...(process.getuid?.() === 0 ? [] : ['--user']),
    '--scope',
    '--quiet',
    '--collect',
    `--property=MemoryMax=${bytes}`,
    '--property=MemorySwapMax=0',
    '--',
  ];
  const { status, stderr, error } = spawnSync(prefix[0], [...prefix.slice(1), 'true'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (status !== 0) throw new Error(error?.message ?? stderr.trim());
  const groupOf = (pid) => `${ROOT}${/^0::(.*)$/m.exec(read(`/proc/${pid}/cgroup`))?.[1] ?? '/none'}`;
  return { kind: openScope.title, prefix, read: (pid) => readSecond(groupOf(pid)), remove: () => undefined };
}
