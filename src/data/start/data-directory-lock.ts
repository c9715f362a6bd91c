import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { z } from 'zod';
import { codeOf } from '../../thrown.js';

/** Another process has the data directory open. */
export class DataDirectoryInUseError extends Error {
  override readonly name = 'DataDirectoryInUseError';

  constructor(
    directory: string,
    readonly pid: number,
  ) {
    super(
      `${directory} is in use by process ${pid}. Stop that process, or point DATA_DIR at another directory ` +
        `(or DATABASE_URL at a PostgreSQL server, which any number of processes may share).`,
    );
  }
}

const HOLDER = z.object({
  pid: z.number(),
  /** When the process began, in the kernel's own terms, where it tells: a pid alone comes back after a restart. */
  began: z.string().nullable(),
});
type Holder = Readonly<z.output<typeof HOLDER>>;

/**
 * Takes the data directory for this process alone. The embedded database has no lock of its own, and two processes on
 * one directory lose rows silently.
 *
 * Holders are numbered: a lock file is made once, by linking a complete file to the next number, which only one process
 * can; whoever finds the last holder dead goes for the number after it. A file is removed only once a later one exists,
 * so no number is ever made twice while someone may still be looking at the one before.
 *
 * @returns the release
 * @throws DataDirectoryInUseError naming the holder
 */
export async function lockDataDirectory(directory: string): Promise<() => Promise<void>> {
  const locks = path.join(directory, 'lock');
  await mkdir(locks, { recursive: true });
  const candidate = path.join(locks, `candidate-${randomUUID()}`);
  const me: Holder = { pid: process.pid, began: await processBegan(process.pid) };
  await writeFile(candidate, JSON.stringify(me), { mode: 0o600 });
  try {
    for (;;) {
      const numbers = (await readdir(locks)).map(Number).filter(Number.isSafeInteger);
      const last = Math.max(0, ...numbers);
      const holder = last > 0 ? await readHolder(path.join(locks, String(last))) : null;
      if (holder && (await isAlive(holder))) throw new DataDirectoryInUseError(directory, holder.pid);
      const mine = path.join(locks, String(last + 1));
      if (!(await tryLink(candidate, mine))) continue; // someone else was faster; see who
      for (const number of numbers) await rm(path.join(locks, String(number)), { force: true });
      return () => writeFile(mine, 'released');
    }
  } finally {
    await rm(candidate, { force: true });
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function readHolder(file: string): Promise<Holder | null> {
  try {
    return HOLDER.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return null; // released, or gone because a later one exists
  }
}

async function isAlive({ pid, began }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
  }
  return began === null || began === (await processBegan(pid));
}

/** Linux: the boot, and the clock tick within it at which the process began. Elsewhere null. */
async function processBegan(pid: number): Promise<string | null> {
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readFile(`/proc/${pid}/stat`, 'utf8'),
    ]);
    // The command's name, in brackets, may hold spaces; the start time is the 20th field after it.
    return `${boot.trim()} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return null;
  }
}
