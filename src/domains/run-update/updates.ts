import type { RequestContext } from '../../context/context.js';
import { bySystem } from '../../data/connection/act.js';
import type { Row } from '../../data/organization/table.js';
import { type Listening, NEWS, type Tidings } from '../../jobs/news.js';
import { readHead } from '../audit-entry/index.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import type { RunUpdateParent } from './parent.js';
import { runsOf } from './read-updates.js';
import { takePlace } from './streams.js';

interface Asked {
  /** Null for all runs of the organization. */
  readonly runId: string | null;
  readonly after: string | null;
}

type Updates = AsyncIterableIterator<readonly RunUpdateParent[]>;

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
    const newest = Number((await readHead(context.db))?.sequence ?? 0n);
    const from = asked.after === null ? newest : decodeCursor(orgId, asked.after, newest);
    return closing(updates({ context, news, run, from, isResumed: asked.after !== null }), close);
  } catch (error) {
    close();
    throw error;
  }
}

/** Ends at once when nobody waits any more, also in the middle of waiting. */
function closing(updates: AsyncGenerator<readonly RunUpdateParent[], void>, close: () => void): Updates {
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
  readonly from: number;
  readonly isResumed: boolean;
}

async function* updates({ context, news, run, from, isResumed }: Following): AsyncGenerator<RunUpdateParent[], void> {
  const { orgId } = context.organization;
  const db = context.deployment.organizationDb(orgId, bySystem('updates of runs'));
  const reads = runsOf(orgId, db);
  const isAsked = (id: string) => run === null || run.id === id;
  const told = new Map<string, string>();
  // Whoever comes anew has just read how far runs are, or is about to.
  const since = isResumed ? 0 : db.now().getTime() - KNOWN_MS;
  let place = from;
  let cursor = encodeCursor(orgId, from);

  const totals = async (ids: readonly string[]): Promise<RunUpdateParent[]> => {
    const rows = await reads.rows([...new Set(ids)].filter(isAsked));
    const heard = [...rows.values()].filter(({ reportedAt }) => (reportedAt?.getTime() ?? 0) >= since);
    return heard.filter((row) => isNews(row, told)).map((row) => toTotals(row, cursor));
  };

  const atWork = async () => (run ? [run.id] : reads.running());

  if (run && !isResumed) {
    isNews(run, told);
    yield [toTotals(run, cursor)];
  }
  // Whoever comes back is told at once of what they missed; of reports that is what all that are at work come to.
  let tidings = isResumed ? MISSED : await news.next();
  while (tidings) {
    for (let isMore = true; isMore;) {
      const stretch = await reads.changesAfter(place, run?.id ?? null);
      ({ to: place, isMore } = stretch);
      yield stretch.changes.map(({ sequence, status, at, run: row }): RunUpdateParent => {
        cursor = encodeCursor(orgId, sequence);
        if (row) isNews(row, told);
        return { cursor, change: 'STATUS', status, at, run: row };
      });
    }
    const reported = await totals(tidings.isLook ? [...tidings.runs, ...(await atWork())] : tidings.runs);
    if (reported.length > 0) yield reported;
    tidings = await news.next();
  }
}

/** What was reported longer before somebody came is nothing new to them. */
const KNOWN_MS = 60_000;

const MISSED: Tidings = { runs: [], isLook: true };

/** Runs whose totals were told last: what was told is not told again. Of more than these one may be. */
const REMEMBERED = 1000;

/** Notes what is told of a run now. @returns whether that is anything new */
function isNews({ id, ...row }: Row<'Run'>, told: Map<string, string>): boolean {
  const now = `${row.reportedAt?.getTime()} ${row.totalTokens} ${row.totalCostMicros} ${row.stopRequestedAt?.getTime()}`;
  if (told.get(id) === now) return false;
  told.delete(id);
  const [oldest] = told.size >= REMEMBERED ? told.keys() : [];
  if (oldest !== undefined) told.delete(oldest);
  told.set(id, now);
  return true;
}

const toTotals = (run: Row<'Run'>, cursor: string): RunUpdateParent => ({
  cursor,
  change: 'TOTALS',
  status: run.status,
  at: run.reportedAt ?? run.createdAt,
  run,
});
