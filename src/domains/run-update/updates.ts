import type { RequestContext } from '../../context/context.js';
import { bySystem } from '../../data/connection/act.js';
import type { Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import { inParts } from '../../in-parts.js';
import { type Listening, NEWS, type Tidings } from '../../jobs/news.js';
import { SEALED_PLACES, type SealedPlaces } from '../../secrets/sealed-place.js';
import { codeOf } from '../../thrown.js';
import { readHead } from '../audit-entry/index.js';
import type { RunUpdateParent } from './parent.js';
import { AT_ONCE, runsOf } from './read-updates.js';
import { takePlace } from './streams.js';
import { ToldTotals } from './told-totals.js';

interface Asked {
  /** Null for all runs of the organization. */
  readonly runId: string | null;
  readonly after: string | null;
}

type Told = readonly RunUpdateParent[] | null;

/** See `Source` of gateway/graphql: null says that nothing is told for now. */
type Updates = AsyncIterableIterator<Told>;

/**
 * What becomes of runs, as the record tells it: in its order, each once; and between that their totals, the latest.
 *
 * @throws NOT_FOUND; BAD_USER_INPUT for a cursor from elsewhere; LIMIT_REACHED
 */
export async function openUpdates(asked: Asked, context: RequestContext): Promise<Updates> {
  const { orgId } = context.organization;
  const giveBack = takePlace(context);
  // Before anything is read, or what happens in between would be told to nobody.
  const news = context.use(NEWS).listen(orgId);
  const close = () => {
    news.close();
    giveBack();
  };
  try {
    const run = asked.runId === null ? null : await context.db.run.get({ id: asked.runId });
    const places = context.use(SEALED_PLACES);
    const newest = Number((await readHead(context.db))?.sequence ?? 0n);
    const from = asked.after === null ? newest : await placeOf(asked.after, newest, { orgId, places });
    const cursor = asked.after ?? (await places.seal(orgId, newest));
    return closing(updates({ context, news, run, places, from, cursor, isResumed: asked.after !== null }), close);
  } catch (error) {
    close();
    throw error;
  }
}

/** @throws BAD_USER_INPUT for what was not made here, of this organization, or is ahead of its newest place, as after a restore */
async function placeOf(
  cursor: string,
  newest: number,
  { orgId, places }: { readonly orgId: string; readonly places: SealedPlaces },
): Promise<number> {
  const place = await places.open(orgId, cursor);
  if (place === null || place > newest)
    throw badInput('after', 'This cursor is of no update of this organization: subscribe without one.');
  return place;
}

/** Ends at once when nobody waits any more, also in the middle of waiting. */
function closing(updates: AsyncGenerator<Told, void>, close: () => void): Updates {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: async () => {
      const next = await updates.next();
      if (next.done) close();
      return next;
    },
    return: async () => {
      close();
      return updates.return();
    },
  };
}

interface Following {
  readonly context: RequestContext;
  readonly news: Listening;
  readonly run: Row<'Run'> | null;
  readonly places: SealedPlaces;
  /** Where it goes on, and the same sealed. */
  readonly from: number;
  readonly cursor: string;
  readonly isResumed: boolean;
}

async function* updates(following: Following): AsyncGenerator<Told, void> {
  const { context, news, run, isResumed } = following;
  let { from: place, cursor } = following;
  const { orgId } = context.organization;
  const db = context.deployment.organizationDb(orgId, bySystem('updates of runs'));
  const reads = runsOf(orgId, db, following.places);
  const isAsked = (id: string) => run === null || run.id === id;
  const told = new ToldTotals();
  // Whoever comes anew has just read how far runs are, or is about to.
  const since = isResumed ? 0 : db.now().getTime() - KNOWN_MS;

  const totals = async (ids: readonly string[]): Promise<RunUpdateParent[]> => {
    const rows = await reads.rows(ids);
    const heard = [...rows.values()].filter(({ reportedAt }) => (reportedAt?.getTime() ?? 0) >= since);
    return heard.filter((row) => told.isNews(row)).map((row) => toTotals(row, cursor));
  };

  const atWork = async () => (run ? [run.id] : reads.running());

  if (run && !isResumed) {
    told.isNews(run);
    yield [toTotals(run, cursor)];
  }
  // Whoever comes back is told at once of what they missed; of reports that is what all that are at work come to.
  let tidings = isResumed ? MISSED : await news.next();
  // Of reports that could not be read nobody tells again.
  let isMissed = false;
  while (tidings) {
    const { runs, isLook } = tidings;
    // Before anything is read: what there is to read has no say in when it comes.
    if (isLook) yield null;
    try {
      for (let isMore = true; isMore;) {
        const stretch = await reads.changesAfter(place, run?.id ?? null);
        ({ to: place, isMore } = stretch);
        // Whether they may go on was asked just now.
        if (isLook && stretch.changes.length === 0) continue;
        yield stretch.changes.map(({ cursor: here, status, at, run: row }): RunUpdateParent => {
          cursor = here;
          if (row) told.isNews(row);
          return { cursor, change: 'STATUS', status, at, run: row };
        });
      }
      const ids = new Set(isLook || isMissed ? [...runs, ...(await atWork())] : runs);
      for (const some of inParts([...ids].filter(isAsked), AT_ONCE)) {
        const reported = await totals(some);
        if (reported.length > 0) yield reported;
      }
      isMissed = false;
    } catch (error) {
      // The database is away, or busy: the next look finds what there is.
      if (codeOf(error) !== 'SERVICE_UNAVAILABLE') throw error;
      isMissed = true;
    }
    tidings = await news.next();
  }
}

/** What was reported longer before somebody came is nothing new to them. */
const KNOWN_MS = 60_000;

const MISSED: Tidings = { runs: [], isLook: true };

const toTotals = (run: Row<'Run'>, cursor: string): RunUpdateParent => ({
  cursor,
  change: 'TOTALS',
  status: run.status,
  at: run.reportedAt ?? run.createdAt,
  run,
});
