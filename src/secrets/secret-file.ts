import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { codeOf } from '../thrown.js';

/**
 * The content of a file that only this user may read, made on first use. Of two processes that make it at once, one
 * wins: the file appears whole, and only if there was none.
 */
export async function readOrMakeFile(file: string, make: () => string | Promise<string>): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const candidate = `${file}.${randomUUID()}`;
  await writeFile(candidate, await make(), { mode: 0o600 });
  try {
    await link(candidate, file);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(candidate, { force: true });
  }
  return readFile(file, 'utf8');
}
