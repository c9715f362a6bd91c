import { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { OrgateError } from '../errors.js';
import { type Breaker, createBreaker } from './redis-breaker.js';

/**
 * What is counted. The first four count every request; points count what operations cost; the others certain requests,
 * and allow fewer.
 */
export const RATE_LIMITS = [
  'address',
  'person',
  'key',
  'organization',
  'stranger',
  'personPoints',
  'keyPoints',
  'organizationPoints',
  'signIn',
  'invitation',
  'acceptance',
  'switching',
  'creation',
] as const;
export type RateLimit = (typeof RATE_LIMITS)[number];

export interface RateLimitOptions {
  /** How many a minute may hold, for each address, person, key or organization on its own; null counts nothing. */
  readonly perMinute: Readonly<Record<RateLimit, number | null>>;
  /** Where replicas share their counts; null counts in the memory of this process. */
  readonly redisUrl: string | null;
  /** Told of each refusal. */
  readonly onRefused: (limit: RateLimit) => void;
  /** Told when Redis goes out of reach, or fails what it is asked (with what it said), and when it works again. */
  readonly onRedis: (state: 'gone' | 'back', error?: unknown) => void;
}

/** What a subject has left of its minute. */
export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  readonly resetAt: Date;
}

export interface RateLimits {
  /**
   * Counts `points` more of `limit` against `subject`, such as `person:usr_…`. A refused subject is refused until its
   * minute is over, and nobody else is.
   *
   * @returns null where nothing is counted
   * @throws RATE_LIMITED with the seconds to wait, and what is left
   */
  count(limit: RateLimit, subject: string, points?: number): Promise<Allowance | null>;
  close(): void;
}

/** For how long a subject's counts are kept, in seconds. */
export const WINDOW_S = 60;

/**
 * Counts in fixed minutes that begin with a subject's first request. With Redis all replicas count together; while it is
 * gone, does not answer in time, or refuses, each counts on its own, and no request waits for it.
 */
export function createRateLimits({ perMinute, redisUrl, onRefused, onRedis }: RateLimitOptions): RateLimits {
  const breaker = createBreaker(onRedis);
  const redis = redisUrl === null ? null : connectRedis(redisUrl, breaker);
  const limiters = new Map<RateLimit, { memory: RateLimiterMemory; shared: RateLimiterRedis | null }>();
  for (const limit of RATE_LIMITS) {
    const points = perMinute[limit];
    if (points === null) continue;
    const options = { keyPrefix: `orgate:limit:${limit}`, points, duration: WINDOW_S };
    const shared =
      redis &&
      new RateLimiterRedis({
        ...options,
        storeClient: redis,
        rejectIfRedisNotReady: true,
        // Whoever is over the limit is refused from memory, and costs Redis nothing more.
        inMemoryBlockOnConsumed: points + 1,
      });
    limiters.set(limit, { memory: new RateLimiterMemory(options), shared });
  }
  /** What Redis says, or null when it says nothing. @throws RateLimiterRes */
  const ask = async (shared: RateLimiterRedis, subject: string, points: number): Promise<RateLimiterRes | null> => {
    if (redis?.status !== 'ready' || !breaker.mayAsk()) return null;
    try {
      const left = await shared.consume(subject, points);
      breaker.answered();
      return left;
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) {
        breaker.failed(error);
        return null;
      }
      // Refused from memory, it says nothing about Redis.
      if (error.consumedPoints > 0) breaker.answered();
      else breaker.unasked();
      throw error;
    }
  };
  return {
    async count(limit, subject, points = 1) {
      const limiter = limiters.get(limit);
      if (!limiter) return null;
      const { memory, shared } = limiter;
      const allowance = ({ remainingPoints, msBeforeNext }: RateLimiterRes): Allowance => ({
        limit: memory.points,
        remaining: Math.max(remainingPoints, 0),
        resetAt: new Date(Date.now() + msBeforeNext),
      });
      try {
        return allowance((shared && (await ask(shared, subject, points))) ?? (await memory.consume(subject, points)));
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) throw refused;
        onRefused(limit);
        const retryAfter = Math.ceil(refused.msBeforeNext / 1000) || 1;
        throw new OrgateError('RATE_LIMITED', undefined, { retryAfter, ...allowance(refused) });
      }
    },
    close: () => redis?.disconnect(),
  };
}

/** A connection that fails fast: what it cannot answer at once is counted in memory instead. */
function connectRedis(url: string, breaker: Breaker): Redis {
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
  redis.on('error', (error: unknown) => breaker.gone(error));
  redis.on('ready', () => breaker.unasked());
  return redis;
}
