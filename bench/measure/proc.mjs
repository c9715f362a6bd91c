import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK']));

/** CPU time that a process has used, user and system, all its threads, in milliseconds; null when it is gone. */
export function cpuOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1000;
  } catch {
    return null;
  }
}

/**
 * How long the first thread of a process ran, and how long it could have and had no core, in milliseconds; null when it is gone.
 * A gateway's first thread answers; a backend has no other.
 */
export function scheduledOf(pid) {
  try {
    const [ran, waited] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ').map(Number);
    return { ran: ran / 1e6, waited: waited / 1e6 };
  } catch {
    return null;
  }
}

/** CPU time of this process and of the children that it has seen end, in milliseconds. */
export function ownCpu() {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND) * 1000;
}

/** CPU time that the whole machine has used, and that a hypervisor kept from it, in milliseconds. */
export function machineCpu() {
  const [user, nice, system, , , irq, softirq, steal] = /^cpu +(.*)$/m
    .exec(readFileSync('/proc/stat', 'utf8'))[1]
    .split(' ')
    .map(Number);
  return ((user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND) * 1000;
}

/** Peak and present resident memory of a process, in MB. */
export function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
  return { peak: read('VmHWM'), present: read('VmRSS') };
}

/** Has the peak told from here on. Of one's own processes only. */
export const resetPeak = (pid) => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/**
 * CPU time of the backends that serve a database, by process id. Backends of other databases, and what PostgreSQL does in
 * the background, are not in it.
 *
 * @param {import('../world/database.mjs').World} world
 * @param look what is asked of each; null of one that is gone
 */
export async function backendsOf({ owner, database }, look = cpuOf) {
  const { rows } = await owner.query(
    `select pid from pg_stat_activity where datname = $1 and backend_type = 'client backend' and pid <> pg_backend_pid()`,
    [database],
  );
  return new Map(rows.map(({ pid }) => [pid, look(pid)]).filter(([, seen]) => seen !== null));
}

/** What backends used between two looks; one that came in between counts whole. */
export function spent(before, after) {
  let sum = 0;
  for (const [pid, cpu] of after) sum += cpu - (before.get(pid) ?? 0);
  return sum;
}
