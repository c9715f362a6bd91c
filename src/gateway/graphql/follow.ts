import type { ExecutionResult } from 'graphql';
import { setTimeout as wait } from 'node:timers/promises';
import type { RequestContext } from '../../context/context.js';
import { OrgateError } from '../../errors.js';
import { openStandings, type Standing } from '../../identity/standings.js';
import { chargeOnceLeft } from '../http/limit-requests.js';
import type { RateLimits } from '../http/rate-limits.js';
import type { Answer, StreamRequest } from './operation-request.js';

/** What a subscription's resolver opens: what came at once, for each thing an answer. Of nothing it only asks whether it may go on. */
export type Source = AsyncIterableIterator<readonly unknown[]>;

export const isSource = (opened: AsyncIterable<unknown> | ExecutionResult): opened is AsyncIterable<unknown> =>
  Symbol.asyncIterator in opened;

/** What comes at once may be much, and its reader slow: so often who hears it is asked again within it. */
const WITHIN_MS = 1000;

/** Whatever else somebody's being let in rests on, such as a key of their issuer, is looked at so often. */
const ANEW_MS = 60_000;

interface Following {
  readonly request: StreamRequest;
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
      let [context, asked] = [await stillAsks(), performance.now()];
      if (told.length === 0) yield null;
      for (const each of told) {
        await chargeOnceLeft(limits, price, context, (seconds) => wait(seconds * 1000, undefined, { signal: over }));
        if (performance.now() - asked > WITHIN_MS) [context, asked] = [await stillAsks(), performance.now()];
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

/** Makes what tells who asks, as they are now: by one statement for all who wait for the same, and only if anything changed by their own. */
function createStillAsks({ context: first, renew }: StreamRequest): () => Promise<RequestContext> {
  let [context, digest, since] = [first, '', 0];
  return async () => {
    const standing = standingOf(context);
    const now = standing ? await context.outside(openStandings)(standing) : '';
    const isOver = (context.viewer?.session.expiresAt ?? 0) * 1000 <= Date.now();
    if (now === '' || now !== digest || isOver || performance.now() - since > ANEW_MS) {
      // Read before who asks is: what changes in between is found by the next look.
      [digest, since] = [now, performance.now()];
      context = await renew();
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
