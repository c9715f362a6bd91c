import { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { OrgateError } from '../../errors.js';
import { MemoryCounts, type Used } from './memory-counts.js';
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

/** What a limit counts, and of whom, as a refusal says it. */
const COUNTED: Readonly<Record<RateLimit, string>> = {
  address: 'requests from this address',
  person: 'requests of this person',
  key: 'requests of this key',
  organization: 'requests of this organization',
  stranger: 'requests from this address without signing in',
  personPoints: 'points of this person',
  keyPoints: 'points of this key',
  organizationPoints: 'points of this organization',
  signIn: 'requests from this address for signing in',
  invitation: 'invitations of this person or organization',
  acceptance: 'answers to invitations of this person or from this address',
  switching: 'switches of this person between organizations',
  creation: 'new organizations of this person or from this address',
};

/** What a subject has left of its minute. */
export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  readonly resetAt: Date;
}

export interface Counted extends Allowance {
  /** Takes points off the count again, of what did not run after all. */
  giveBack(points: number): Promise<void>;
}

export interface RateLimits {
  /**
   * Counts `points` more of `limit` against `subject`, such as `person:usr_…`. They are counted before it is known whether
   * there are as many: of what is asked for at once, no more passes than the limit. A refused subject may still have what
   * is left, until its minute is over.
   *
   * @param running how many of the points are for what will not run if it is refused: they are given back then
   * @returns null where nothing is counted; at once where memory counts, since every request asks several times
   * @throws RATE_LIMITED with the seconds to wait, and what is left
   */
  count(limit: RateLimit, subject: string, points?: number, running?: number): Counted | null | Promise<Counted>;
  /** Counts what is known too late to refuse it; whoever has none left is refused from then on. Answers what is left. */
  spend(limit: RateLimit, subject: string, points: number): Allowance | null | Promise<Allowance>;
  close(): void;
}

/** For how long a subject's counts are kept, in seconds. */
export const WINDOW_S = 60;

/** So late in a minute nothing is given back: it could arrive in the next one, and let more pass there than the limit. */
const LAST_MS = 1000;

/** What counting came to: the points used of a window, these among them. */
interface Outcome extends Used {
  readonly isInRedis: boolean;
}

interface Limiter {
  readonly limit: RateLimit;
  readonly points: number;
  readonly memory: MemoryCounts;
  readonly shared: RateLimiterRedis | null;
}

/**
 * Counts in fixed minutes that begin with a subject's first request. With Redis all replicas count together; while it is
 * gone, does not answer in time, or refuses, each counts on its own, and no request waits for it.
 */
export function createRateLimits({ perMinute, redisUrl, onRefused, onRedis }: RateLimitOptions): RateLimits {
  const breaker = createBreaker(onRedis);
  const redis = redisUrl === null ? null : connectRedis(redisUrl, breaker);
  const limiters = new Map<RateLimit, Limiter>();
  for (const limit of RATE_LIMITS) {
    const points = perMinute[limit];
    if (points === null) continue;
    const shared =
      redis &&
      new RateLimiterRedis({
        keyPrefix: `orgate:limit:${limit}`,
        points,
        duration: WINDOW_S,
        storeClient: redis,
        rejectIfRedisNotReady: true,
        // Whoever is over the limit is refused from memory, and costs Redis nothing more; but for points, which may be
        // given back: a cheaper operation passes where a dearer one did not.
        ...(!isOfPoints(limit) && { inMemoryBlockOnConsumed: points + 1 }),
      });
    limiters.set(limit, { limit, points, memory: new MemoryCounts(WINDOW_S * 1000), shared });
  }
  /** What Redis says, or null when it says nothing. */
  const ask = async (asked: () => Promise<RateLimiterRes>): Promise<Outcome | null> => {
    if (redis?.status !== 'ready' || !breaker.mayAsk()) return null;
    try {
      const { left, isRefused } = await outcomeOf(asked());
      const { consumedPoints, msBeforeNext } = left;
      // Refused from memory, it says nothing about Redis.
      const isFromMemory = isRefused && consumedPoints === 0;
      if (isFromMemory) breaker.unasked();
      else breaker.answered();
      return { points: isFromMemory ? Infinity : consumedPoints, msBeforeNext, isInRedis: true };
    } catch (error) {
      breaker.failed(error);
      return null;
    }
  };
  const inMemory = ({ memory }: Limiter, subject: string, added: number): Outcome => {
    const { points, msBeforeNext } = memory.add(subject, added);
    return { points, msBeforeNext, isInRedis: false };
  };
  /** Takes points off again, where they were counted and nowhere else, and never in the next minute. */
  const giveBack = (
    limiter: Limiter,
    subject: string,
    { isInRedis }: Outcome,
    endsAt: number,
    points: number,
  ): Outcome | null | Promise<Outcome | null> => {
    if (points === 0 || endsAt - performance.now() < LAST_MS) return null;
    if (!isInRedis) return inMemory(limiter, subject, -points);
    const { shared } = limiter;
    return shared && ask(() => shared.reward(subject, points));
  };
  const judge = (limiter: Limiter, subject: string, outcome: Outcome, running: number): Counted | Promise<never> => {
    const endsAt = performance.now() + outcome.msBeforeNext;
    if (outcome.points <= limiter.points) {
      const { limit, remaining, resetAt } = allowanceOf(limiter, outcome);
      return {
        limit,
        remaining,
        resetAt,
        giveBack: async (points) => void (await giveBack(limiter, subject, outcome, endsAt, points)),
      };
    }
    onRefused(limiter.limit);
    const refuse = (after: Outcome | null): never => {
      const now = allowanceOf(limiter, after ?? outcome);
      const retryAfter = Math.ceil(outcome.msBeforeNext / 1000) || 1;
      throw new OrgateError('RATE_LIMITED', whyRefused(limiter.limit, now, running), { retryAfter, ...now });
    };
    const given = giveBack(limiter, subject, outcome, endsAt, running);
    return given instanceof Promise ? given.then(refuse) : refuse(given);
  };
  const countInRedis = async (
    limiter: Limiter,
    shared: RateLimiterRedis,
    subject: string,
    points: number,
    running: number,
  ) =>
    judge(
      limiter,
      subject,
      (await ask(() => shared.consume(subject, points))) ?? inMemory(limiter, subject, points),
      running,
    );
  return {
    count(limit, subject, points = 1, running = 0) {
      const limiter = limiters.get(limit);
      if (!limiter) return null;
      if (limiter.shared) return countInRedis(limiter, limiter.shared, subject, points, running);
      return judge(limiter, subject, inMemory(limiter, subject, points), running);
    },
    spend(limit, subject, points) {
      const limiter = limiters.get(limit);
      if (!limiter) return null;
      const { shared } = limiter;
      const here = (outcome: Outcome | null) => allowanceOf(limiter, outcome ?? inMemory(limiter, subject, points));
      return shared ? ask(() => shared.consume(subject, points)).then(here) : here(null);
    },
    close: () => redis?.disconnect(),
  };
}

const allowanceOf = ({ points: limit }: Limiter, { points, msBeforeNext }: Used): Allowance => ({
  limit,
  remaining: Math.max(limit - points, 0),
  resetAt: new Date(Date.now() + msBeforeNext),
});

const isOfPoints = (limit: RateLimit): boolean => limit.endsWith('Points');

/** The limiter throws what is left when it is too little. */
async function outcomeOf(counting: Promise<RateLimiterRes>): Promise<{ left: RateLimiterRes; isRefused: boolean }> {
  try {
    return { left: await counting, isRefused: false };
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    return { left: error, isRefused: true };
  }
}

function whyRefused(limit: RateLimit, { limit: holds, remaining }: Allowance, running: number): string {
  const [of, minute] = [COUNTED[limit], holds.toLocaleString('en')];
  if (!isOfPoints(limit)) {
    return `More than ${minute} ${of} in a minute; try again after as many seconds as Retry-After says.`;
  }
  if (running === 0) return `None of this minute's ${minute} ${of} are left.`;
  const whose = of.replace(/^points /, '');
  return (
    `Running this operation costs ${running.toLocaleString('en')} points, ` +
    `and ${remaining.toLocaleString('en')} of this minute's ${minute} ${whose} are left.`
  );
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
