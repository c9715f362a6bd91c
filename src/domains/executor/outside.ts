import type { Act } from '../../data/connection/act.js';
import { createDirectoryQuery } from '../../data/connection/directory-query.js';
import type { ScopedPool } from '../../data/connection/org-connection.js';

/** As whoever runs the deployment sees it. */
export interface ExecutorRow {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly lastFour: string;
  readonly createdAt: Date;
  readonly rotatedAt: Date;
  readonly lastUsedAt: Date | null;
  readonly revokedAt: Date | null;
}

export interface NewExecutor {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly hash: string;
  readonly lastFour: string;
  readonly createdBy: string;
}

/** The deployment's executors, told in its own record. Call it for a SYSTEM_ADMIN only. */
export interface RegisteredExecutors {
  /** The newest first. */
  list(most: number): Promise<ExecutorRow[]>;
  find(id: string): Promise<ExecutorRow | null>;
  /** How many are not revoked. */
  count(): Promise<number>;
  /** Null where one that is not revoked has the name, or there are as many as may be: of two at once the second sees the first. */
  register(executor: NewExecutor, most: number, act: Act): Promise<ExecutorRow | null>;
  /** Null where there is none, or it was revoked. */
  rotate(id: string, token: Pick<NewExecutor, 'hash' | 'lastFour'>, act: Act): Promise<ExecutorRow | null>;
  /** One that was revoked before stays as it was. */
  revoke(id: string, act: Act): Promise<void>;
}

const SHOWN = `id, name, pool, last_four as "lastFour", created_at as "createdAt", rotated_at as "rotatedAt",
  last_used_at as "lastUsedAt", revoked_at as "revokedAt"`;

const REGISTER = `
  insert into executor (id, name, pool, token_hash, last_four, created_by) select $1, $2, $3, $4, $5, $6 where executor_has_room($7)
  on conflict (name) where revoked_at is null do nothing returning ${SHOWN}`;

const ROTATE = `
  update executor set token_hash = $2, last_four = $3, rotated_at = clock_timestamp()
  where id = $1 and revoked_at is null returning ${SHOWN}`;

const REVOKE = `update executor set revoked_at = clock_timestamp() where id = $1 and revoked_at is null`;

const END_CLAIMS = `
  update run_claim set expires_at = least(expires_at, current_timestamp + $2 * interval '1 millisecond' - interval '1 second')
  where executor_id = $1 and ended_at is null`;

export function openRegisteredExecutors(pool: ScopedPool): RegisteredExecutors {
  const query = createDirectoryQuery(pool);
  const first = async (text: string, values: unknown[], act?: Act) => {
    const [row] = await query<ExecutorRow & object>(text, values, act);
    return row ?? null;
  };
  return {
    list: (most) => query(`select ${SHOWN} from executor order by id desc limit $1`, [most]),
    find: (id) => first(`select ${SHOWN} from executor where id = $1`, [id]),
    async count() {
      const [row] = await query<{ count: number }>('select count(*)::int from executor where revoked_at is null');
      return row?.count ?? 0;
    },
    register: ({ id, name, pool: of, hash, lastFour, createdBy }, most, act) =>
      first(REGISTER, [id, name, of, hash, lastFour, createdBy, most], act),
    rotate: (id, { hash, lastFour }, act) => first(ROTATE, [id, hash, lastFour], act),
    async revoke(id, act) {
      await query(REVOKE, [id], act);
      // Whatever it was about to claim is claimed by now, and what is reported was.
      await query(END_CLAIMS, [id, pool.clock.movedMs]);
    },
  };
}
