import { setTimeout as wait } from 'node:timers/promises';
import { AbortedWith } from '../aborted-with.js';
import { type Deployment, PLAN_WEIGHTS } from '../context/deployment.js';
import { bySystem } from '../data/connection/act.js';
import type { LockedDb, OrganizationDb, RequestDb } from '../data/organization/organization-db.js';
import { part } from '../parts.js';
import { SealError } from '../secrets/seal.js';
import type { Done, DueKind, DueWork, OwedKind } from './due-kind.js';
import { type AtOnce, fewAtOnce } from './few-at-once.js';
import {
  type DueCount,
  type Held,
  openOwedWork,
  openSharedOutWork,
  type TakenOwedWork,
  type TakenWork,
} from './outside.js';
import { Places } from './places.js';

/**
 * Does what is due. What was committed is done, and nothing is done that was not; it may be done again where a process ends
 * in between, or the database cannot be told that it was: later each time.
 */
export interface DueWorkers {
  /**
   * Does in the background what was just written, now that its transaction is committed. Never fails.
   *
   * @param kind of what may hang, which has places of its own: it keeps none from what is quick
   */
  dispatch(work: DueWork, kind?: string): void;
  /** Begins what is due, as much as there is room for, and goes on as room comes. Answers once it has begun. */
  round(signal: AbortSignal): Promise<void>;
  /** How much there is of each kind. */
  count(): Promise<DueCount[]>;
  /** Waits for what is being done, for some seconds; what is given up then is left to others at once. */
  close(): Promise<void>;
}

export const DUE_WORK = part<DueWorkers>('work that is due');

/** An attempt that is over. What failed is tried again, what is given up is not. */
export interface EndedRun {
  readonly kind: string;
  readonly outcome: 'done' | 'again' | 'failed' | 'given_up';
  readonly error?: unknown;
  readonly work: Partial<DueWork> & { readonly id: string };
}

export interface DueWorkParts {
  readonly deployment: Deployment;
  readonly kinds: readonly DueKind<unknown>[];
  readonly owed: readonly OwedKind[];
  readonly tell: (run: EndedRun) => void;
}

/** In milliseconds. */
export interface DueWorkLimits {
  /** The pauses between attempts to write down what came of it. */
  readonly tellAgain: readonly number[];
  /** How long closing waits before it gives up what is being done. */
  readonly close: number;
}

const LIMITS: DueWorkLimits = { tellAgain: [500, 1000, 2000, 4000, 8000, 15_000, 15_000], close: 5000 };

/** What is written is left to `dispatch` for this long; where the process ended before it, others take it. */
export const DISPATCH_MS = 5000;
/** How often work is tried that nobody can read: another release may have written it, or a key be missing on one replica. */
const UNREADABLE_ATTEMPTS = 6;
const AT_ONCE = 5;
const MOST_MS = 60_000;
/** How often an attempt says that it is still under way. */
const EXTEND_MS = 4000;
/** What is dispatched and waits in memory for its turn; more is left to the rounds. */
const MOST_WAITING = 200;
const RESUME_EVERY = 5;
const MINUTE_MS = 60_000;
const MOST_BACKOFF_MS = 6 * 60 * MINUTE_MS;

const backoff = (attempts: number): number => Math.min(MINUTE_MS * 2 ** Math.min(attempts, 20), MOST_BACKOFF_MS);

export function createDueWork(parts: DueWorkParts, limits: DueWorkLimits = LIMITS): DueWorkers {
  const { deployment, tell } = parts;
  const { outside, organizationDb } = deployment;
  const shared = outside(openSharedOutWork);
  const owed = outside(openOwedWork);
  const kinds = new Map(parts.kinds.map((kind) => [kind.name, kind]));
  const owedKinds = new Map(parts.owed.map((kind) => [kind.name, kind]));
  const running = new Set<Promise<void>>();
  const dispatched = new Map<string, AtOnce>();
  const closed = new AbortController();
  const ending = new AbortedWith(closed.signal);
  const closeSoon = () => void setTimeout(() => closed.abort(), limits.close).unref();
  let rounds = 0;

  const hold = (work: Promise<void>): Promise<void> => {
    const held = work.finally(() => running.delete(held));
    running.add(held);
    return held;
  };

  /** Does it, in the time it has, while nobody else takes it. */
  const underWay = async <T>(
    { mostMs = MOST_MS }: { readonly mostMs?: number },
    extend: () => Promise<void>,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const over = new AbortController();
    const { signal } = over;
    // Its timer holds it: of one that nothing holds but a signal that was made of it, the time never comes.
    const late = setTimeout(() => over.abort(new DOMException('it took too long', 'TimeoutError')), mostMs).unref();
    const forget = ending.add(over);
    const extending = setInterval(() => void extend().catch(() => undefined), EXTEND_MS).unref();
    try {
      return await Promise.race([work(signal), abortOf(signal)]);
    } finally {
      clearInterval(extending);
      clearTimeout(late);
      forget();
    }
  };

  /** It is done, and would be done again: that it was is told until the database has heard it. */
  const tellUntilHeard = async (write: () => Promise<unknown>): Promise<void> => {
    for (const pause of [...limits.tellAgain, null]) {
      try {
        return void (await write());
      } catch (error) {
        if (pause === null || closed.signal.aborted) throw error;
        await wait(pause, undefined, { signal: closed.signal }).catch(() => undefined);
      }
    }
  };

  const attempt = async (work: TakenWork): Promise<void> => {
    const kind = kinds.get(work.kind);
    if (!kind) return; // of another release; its wait passes
    const { orgId, id, takenAt, attempts } = work;
    const db = organizationDb(orgId, bySystem(kind.name));
    const row = await db.dueWork.find({ id, takenAt });
    if (!row) return; // taken back meanwhile
    const payload = readPayload(kind, row.payload);
    const { mostAttempts = Infinity } = kind;
    const fail = async (error: unknown): Promise<void> => {
      const isUnreadable = payload instanceof UnreadableWorkError || error instanceof SealError;
      const most = isUnreadable ? UNREADABLE_ATTEMPTS : mostAttempts;
      const isLast = attempts >= most || kind.isFinal?.(error) === true;
      tell({ kind: kind.name, outcome: isLast ? 'given_up' : 'failed', error, work });
      const settle = async (inside: LockedDb): Promise<void> => {
        if (!(payload instanceof UnreadableWorkError)) await kind.settleFailure?.(inside, payload, error, isLast);
      };
      const until = new Date(db.now().getTime() + backoff(attempts));
      await tellUntilHeard(() => {
        if (!isLast) return putOff(db, work, until, settle);
        return isUnreadable ? giveUp(db, work, settle) : finish(db, work, { settle });
      });
    };
    if (payload instanceof UnreadableWorkError) return fail(payload);
    if (attempts > mostAttempts) return fail(null);
    let done: Done | void;
    try {
      done = await underWay(
        kind,
        () => shared.extend(work),
        (signal) => kind.run({ orgId, db, subject: row.subject, payload, signal }, deployment),
      );
    } catch (error) {
      return closed.signal.aborted ? putOff(db, work, db.now()) : fail(error);
    }
    await tellUntilHeard(() => finish(db, work, done ?? undefined));
    tell({ kind: kind.name, outcome: done?.again ? 'again' : 'done', work });
  };

  const attemptOwed = async (work: TakenOwedWork): Promise<void> => {
    const kind = owedKinds.get(work.kind);
    if (!kind) return;
    let done: { readonly again?: Date } | void;
    try {
      const settle = (again: Date | null) => owed.settle(work, again);
      done = await underWay(
        kind,
        () => owed.extend(work),
        (signal) => kind.run({ subject: work.subject, signal, settle }, deployment),
      );
    } catch (error) {
      const now = deployment.now().getTime();
      if (closed.signal.aborted) return owed.putOff(work, new Date(now));
      tell({ kind: kind.name, outcome: 'failed', error, work });
      return owed.putOff(work, new Date(now + backoff(work.attempts)));
    }
    await tellUntilHeard(() => owed.end(work, done?.again ?? null));
    tell({ kind: kind.name, outcome: done?.again ? 'again' : 'done', work });
  };

  /** Whatever fails here was not written down: its wait passes, and it is tried again. */
  const begin = (work: TakenWork | TakenOwedWork, run: Promise<void>): Promise<void> =>
    hold(run.catch((error: unknown) => tell({ kind: work.kind, outcome: 'failed', error, work })));

  const places: Places<TakenWork> = new Places(
    parts.kinds,
    (rooms) => shared.take(rooms, heldIn(places), deployment.use(PLAN_WEIGHTS)),
    (work) => begin(work, attempt(work)),
  );
  const owedPlaces = new Places<TakenOwedWork>(parts.owed, owed.take, (work) => begin(work, attemptOwed(work)));

  const takeUntil = (signal: AbortSignal | null): void => {
    places.until = signal;
    owedPlaces.until = signal;
  };

  return {
    dispatch(work, kind = '') {
      const few = dispatched.get(kind) ?? fewAtOnce(AT_ONCE, MOST_WAITING);
      dispatched.set(kind, few);
      void hold(
        few(async () => {
          if (closed.signal.aborted) return;
          const taken = await shared.takeOne(work);
          if (taken) await begin(taken, attempt(taken));
        }).catch((error: unknown) => tell({ kind: '', outcome: 'failed', error, work })),
      );
    },
    async round(signal) {
      takeUntil(signal);
      rounds += 1;
      if (rounds % RESUME_EVERY === 1) await shared.resume();
      await places.fill();
      await owedPlaces.fill();
    },
    async count() {
      return [...(await shared.count([...kinds.keys()])), ...(await owed.count([...owedKinds.keys()]))];
    },
    async close() {
      takeUntil(null);
      closeSoon();
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** Says that an attempt is over, and writes what came of it, if it is still that attempt's. */
async function finish(db: RequestDb, { id, takenAt }: TakenWork, { again, settle }: Done = {}): Promise<void> {
  const mine = { id, takenAt };
  const asNobodyAsked = { ...mine, wantedAt: null };
  const end = async (of: OrganizationDb): Promise<boolean> =>
    again
      ? (await of.dueWork.updateMany(asNobodyAsked, { dueAt: again, takenAt: null, attempts: 0 })) > 0
      : (await of.dueWork.delete(asNobodyAsked)) > 0;
  if (!settle && (await end(db))) return;
  await db.locked(async (inside) => {
    if (!(await end(inside))) {
      const wanted = await inside.dueWork.find(mine);
      if (!wanted) return; // another's by now, or taken back
      const dueAt = wanted.wantedAt ?? inside.now();
      await inside.dueWork.updateMany(mine, { dueAt, wantedAt: null, takenAt: null, attempts: 0 });
    }
    await settle?.(inside);
  });
}

/** Leaves it to be tried again, and writes of the attempt, if it is still that one's. */
async function putOff(
  db: RequestDb,
  { id, takenAt }: TakenWork,
  dueAt: Date,
  settle?: (inside: LockedDb) => Promise<unknown>,
): Promise<void> {
  const off = async (of: OrganizationDb): Promise<boolean> =>
    (await of.dueWork.updateMany({ id, takenAt }, { dueAt, takenAt: null })) > 0;
  if (!settle) return void (await off(db));
  await db.locked(async (inside) => {
    if (await off(inside)) await settle(inside);
  });
}

/** Leaves it where it shows and nobody takes it, if it is still that attempt's; what was asked for meanwhile is tried. */
async function giveUp(db: RequestDb, work: TakenWork, settle: (inside: LockedDb) => Promise<void>): Promise<void> {
  const { id, takenAt } = work;
  const given = { stopped: true, givenUpAt: db.now(), takenAt: null };
  const isGiven = await db.locked(async (inside) => {
    if ((await inside.dueWork.updateMany({ id, takenAt, wantedAt: null }, given)) === 0) return false;
    await settle(inside);
    return true;
  });
  if (!isGiven) await putOff(db, work, db.now());
}

/** What it holds is no payload of its kind. */
class UnreadableWorkError extends Error {
  override readonly name = 'UnreadableWorkError';
}

/** Never says what stands there: that may be secret. */
function readPayload<P>({ payload }: DueKind<P>, text: string): P | UnreadableWorkError {
  try {
    return payload.parse(JSON.parse(text));
  } catch {
    return new UnreadableWorkError('the payload is none of its kind');
  }
}

/** How many of a kind each organization has. */
function heldIn(places: Places<TakenWork>): Held[] {
  const held = new Map<string, Held>();
  for (const { kind, orgId } of places.held()) {
    const key = `${kind} ${orgId}`;
    held.set(key, { kind, orgId, count: (held.get(key)?.count ?? 0) + 1 });
  }
  return [...held.values()];
}

const abortOf = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
