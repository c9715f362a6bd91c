import { createDirectoryQuery } from '../data/connection/directory-query.js';
import type { ScopedPool } from '../data/connection/org-connection.js';

/** A machine of the deployment that is not revoked. Whether the secret is right is not yet known. */
export interface LiveExecutor {
  readonly id: string;
  readonly name: string;
  /** Which runs it works on. */
  readonly pool: string;
}

export interface FoundExecutor extends LiveExecutor {
  readonly tokenHash: string;
}

/** Executors as they are presented: they belong to no organization. */
export interface Executors {
  /** Null when there is none, or it was revoked. */
  find(id: string): Promise<FoundExecutor | null>;
  /** Notes that one was used, at most once a minute. Nobody waits for it, and a use that was missed is no matter. */
  noteUse(id: string): void;
}

const FIND = `select id, name, pool, token_hash as "tokenHash" from executor where id = $1 and revoked_at is null`;

const NOTE_USE = `
  update executor set last_used_at = current_timestamp
  where id = $1 and (last_used_at is null or last_used_at < current_timestamp - interval '1 minute')`;

export function openExecutors(pool: ScopedPool): Executors {
  const query = createDirectoryQuery(pool);
  const noting = new Map<string, number>();
  return {
    async find(id) {
      const [found] = await query<FoundExecutor & object>(FIND, [id]);
      return found ?? null;
    },

    noteUse(id) {
      const now = performance.now();
      if (now - (noting.get(id) ?? -Infinity) < NOTED_EVERY_MS) return;
      if (noting.size >= MOST_NOTED) noting.clear();
      noting.set(id, now);
      query(NOTE_USE, [id]).catch(() => undefined);
    },
  };
}

const NOTED_EVERY_MS = 60_000;
const MOST_NOTED = 1000;
