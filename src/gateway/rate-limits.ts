import { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { OrgateError } from '../errors.js';

/** What is counted. The first four count every request; the others certain ones among them, and allow fewer. */
export const RATE_LIMITS = [
  'address',
  'person',
  'key',
  'organization',
  'signIn',
  'invitation',
  'acceptance',
  'switching',
] as const;
export type RateLimit = (typeof RATE_LIMITS)[number];

export interface RateLimitOptions {
  /** How many a minute may hold, for each address, person, key or organization on its own; null counts nothing. */
  readonly perMinute: Readonly<Record<RateLimit, number | null>>;
  /** Where replicas share their counts; null counts in the memory of this process. */
  readonly redisUrl: string | null;
  /** Told of each refusal. */
  readonly onRefused: (limit: RateLimit) => void;
  /** Told when Redis goes out of reach (with what it said), and when it is back. */
  readonly onRedis: (state: 'gone' | 'back', error?: unknown) => void;
}

export interface RateLimits {
  /**
   * Counts `points` more of `limit` against `subject`, such as `person:usr_…`. A refused subject is refused until its
   * minute is over, and nobody else is.
   *
   * @throws RATE_LIMITED with the seconds to wait
   */
  count(limit: RateLimit, subject: string, points?: number): Promise<void>;
  close(): void;
}

const MINUTE_S = 60;

/**
 * Counts in fixed minutes that begin with a subject's first request. With Redis all replicas count together; while it is
 * gone, or does not answer in time, each counts on its own, and no request waits for it.
 */
export function createRateLimits({ perMinute, redisUrl, onRefused, onRedis }: RateLimitOptions): RateLimits {
  const redis = redisUrl === null ? null : connectRedis(redisUrl, onRedis);
  const limiters = new Map<RateLimit, RateLimiterMemory | RateLimiterRedis>();
  for (const limit of RATE_LIMITS) {
    const points = perMinute[limit];
    if (points === null) continue;
    const shared = { keyPrefix: `orgate:limit:${limit}`, points, duration: MINUTE_S };
    const memory = new RateLimiterMemory(shared);
    limiters.set(
      limit,
      redis
        ? new RateLimiterRedis({
            ...shared,
            storeClient: redis,
            rejectIfRedisNotReady: true,
            insuranceLimiter: memory,
            // Whoever is over the limit is refused from memory, and costs Redis nothing more.
            inMemoryBlockOnConsumed: points + 1,
          })
        : memory,
    );
  }
  return {
    async count(limit, subject, points = 1) {
      try {
        await limiters.get(limit)?.consume(subject, points);
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        onRefused(limit);
        throw new OrgateError('RATE_LIMITED', undefined, { retryAfter: Math.ceil(refused.msBeforeNext / 1000) || 1 });
      }
    },
    close: () => redis?.disconnect(),
  };
}

/** A connection that fails fast: what it cannot answer at once is counted in memory instead. */
function connectRedis(url: string, onChange: RateLimitOptions['onRedis']): Redis {
  const redis = new Redis(url, {
    connectionName: 'orgate',
    connectTimeout: 2000,
    disconnectTimeout: 200,
    commandTimeout: 100,
    // One that accepts and says nothing is dropped, so that requests stop waiting for it.
    socketTimeout: 500,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: (attempts) => Math.min(attempts * 100, 2000),
  });
  let isGone = false;
  redis.on('error', (error: unknown) => {
    if (!isGone) onChange('gone', error);
    isGone = true;
  });
  redis.on('ready', () => {
    if (isGone) onChange('back');
    isGone = false;
  });
  return redis;
}
