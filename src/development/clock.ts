import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Clock } from '../data/connection/clock.js';

/** Moves the time that periods are told by, so that whoever develops sees a month pass. */
export interface DevelopmentClock {
  /** @throws RangeError for what is not ahead */
  advance(ms: number): Promise<void>;
  /** What it is moved to, and by how many milliseconds in all. */
  now(): { readonly now: string; readonly movedMs: number };
}

const KEPT = z.object({ movedMs: z.int().min(0) });

/** Time stands where it was left: what is stored was written by it. */
export async function openDevelopmentClock(dataDirectory: string, clock: Clock): Promise<DevelopmentClock> {
  const file = path.join(dataDirectory, 'development-clock.json');
  const kept = await readFile(file, 'utf8').then(
    (text) => KEPT.parse(JSON.parse(text)),
    () => ({ movedMs: 0 }),
  );
  if (kept.movedMs > clock.movedMs) clock.advance(kept.movedMs - clock.movedMs);
  let writing = Promise.resolve();
  return {
    async advance(ms) {
      clock.advance(ms);
      writing = writing.then(async () => {
        // A process that ends meanwhile leaves the one file or the other.
        await writeFile(`${file}.new`, JSON.stringify({ movedMs: clock.movedMs }));
        await rename(`${file}.new`, file);
      });
      await writing;
    },
    now: () => ({ now: clock.now().toISOString(), movedMs: clock.movedMs }),
  };
}
