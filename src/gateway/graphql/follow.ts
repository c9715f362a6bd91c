import type { ExecutionResult } from 'graphql';
import { setTimeout as wait } from 'node:timers/promises';
import type { RequestContext } from '../../context/context.js';
import { REAL_TIME } from '../../context/deployment.js';
import { OrgateError } from '../../errors.js';
import { openStandings, type Standing } from '../../identity/standings.js';
import { codeOf } from '../../thrown.js';
import { chargeOnceLeft } from '../http/limit-requests.js';
import type { RateLimits } from '../http/rate-limits.js';
import type { Answer, StreamRequest } from './operation-request.js';

/**
 * What a subscription's resolver opens: what came at once, for each thing an answer. Of nothing it only asks whether it may go on, and
 * whoever waits sees nothing of that: what happens and is not theirs to hear would be seen by when it comes. They are told that
 * they still wait where it says null, which it does by the clock alone.
 */
export type Source = AsyncIterableIterator<readonly unknown[] | null>;

export const isSource = (opened: AsyncIterable<unknown> | ExecutionResult): opened is AsyncIterable<unknown> =>
  Symbol.asyncIterator in opened;

/** What comes at once may be much, and its reader slow: so often who hears it is asked again within it. */
const WITHIN_MS = 1000;

/** Where nobody can say whether somebody still may hear it, as while the database is away, it is asked so often. */
const AGAIN_MS = 1000;

/** Whatever else somebody's being let in rests on, such as a key of their issuer, is looked at so often. */
const ANEW_MS = 60_000;

interface Following {
  /** Nothing of what was asked: it lasts for hours. */
  readonly request: Pick<StreamRequest, 'context' | 'over' | 'renew' | 'inTurn'>;
  /** Of one answer, in points. */
  readonly price: number;
  readonly limits: RateLimits;
  readonly answer: (context: RequestContext, root: unknown) => Promise<Answer>;
  readonly refuse: (error: unknown) => Answer;
}

/** Answers what a source tells, for as long as whoever asks may hear it: that is read after what is told, each time. */
export function follow(source: Source, following: Following): AsyncGenerator<Answer | null, void> {
  const { over } = following.request;
  const leave = () => void source.return?.();
  // At once: of a client that is gone already nobody reads the first answer, and its place would be kept for ever.
  if (over.aborted) leave();
  over.addEventListener('abort', leave, { once: true });
  return answersTo(source, following, () => {
    over.removeEventListener('abort', leave);
    leave();
  });
}

async function* answersTo(
  source: Source,
  { request, price, limits, answer, refuse }: Following,
  leave: () => void,
): AsyncGenerator<Answer | null, void> {
  const { over, inTurn } = request;
  const stillAsks = createStillAsks(request);
  try {
    for await (const told of source) {
      let [context, asked] = [yield* onceKnown(stillAsks, over), performance.now()];
      if (told === null) yield null;
      for (const each of told ?? []) {
        await chargeOnceLeft(limits, price, context, (seconds) => wait(seconds * 1000, undefined, { signal: over }));
        if (performance.now() - asked > WITHIN_MS)
          [context, asked] = [yield* onceKnown(stillAsks, over), performance.now()];
        const answered = await inTurn(() => answer(context, each));
        yield answered;
        // Nothing of it may be seen, and so nothing more will be.
        if (answered.data == null) return;
      }
    }
  } catch (error) {
    if (!over.aborted) yield refuse(error);
  } finally {
    leave();
  }
}

/** Who asks, once somebody can say. Until then whoever waits is told nothing but that they still do: they would come back all at once. */
async function* onceKnown(
  stillAsks: () => Promise<RequestContext>,
  over: AbortSignal,
): AsyncGenerator<null, RequestContext> {
  for (;;) {
    try {
      return await stillAsks();
    } catch (error) {
      if (codeOf(error) !== 'SERVICE_UNAVAILABLE') throw error;
    }
    yield null;
    await wait(AGAIN_MS, undefined, { signal: over });
  }
}

/** Makes what tells who asks, as they are now: by one statement for all who wait for the same, and only if anything changed by their own. */
function createStillAsks({ context: first, renew }: Following['request']): () => Promise<RequestContext> {
  let [context, digest, since] = [first, '', 0];
  return async () => {
    const standing = standingOf(context);
    const now = standing ? await context.outside(openStandings)(standing) : '';
    const { viewer } = context;
    const isOver = viewer !== null && viewer.session.expiresAt * 1000 <= context.use(REAL_TIME)().getTime();
    if (now === '' || now !== digest || isOver || performance.now() - since > ANEW_MS) {
      const began = performance.now();
      context = await renew();
      // Read before who asks was: what changes in between is found by the next look. Where they could not be read, that is not over.
      [digest, since] = [now, began];
      if (context.current?.orgId !== first.current?.orgId) throw new OrgateError('ORG_CONTEXT_REQUIRED');
    } else context = context.anew();
    return context;
  };
}

/** Null of whom every look is to be told, and so is let in anew each time. */
function standingOf({ current, viewer }: RequestContext): Standing | null {
  if (!current || !viewer || viewer.impersonation) return null;
  const { orgId, membership } = current;
  return { orgId, userId: membership.userId, sessionId: viewer.session.id, keyId: viewer.apiKey?.id ?? null };
}
