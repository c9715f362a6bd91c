import { spreadOut } from '../../spread-out.js';
import { ClientLeftError } from './client-left.js';
import {
  type Asking,
  isTableLocked,
  isTried,
  type Kind,
  Kinds,
  NoTurnError,
  type Outcome,
  type Step,
  type Who,
} from './statement-kinds.js';
import { type TransactionKind, TransactionKinds } from './transaction-kinds.js';

/** How long work waits for its turn, and how much of it may wait for one organization. */
export const WAIT_MS = 10_000;
export const MAX_WAITING = 500;
const WATCH_MS = 500;

/** Whoever holds fewer goes ahead where the many connections of two others would leave them none. */
const FEW = 2;

/** Counts and searches of one organization at a time: each keeps a core of the database busy for as long as there are rows. */
const SCANS = 1;

export const DIRECTORY_LANE: Who = '';

type Work = Kind | TransactionKind;

const isTransaction = (work: Work): work is TransactionKind => 'isTransaction' in work;

interface Lane extends Asking {
  held: number;
  scans: number;
  inTransaction: boolean;
  queued: number;
  /** First come, first served for each kind of work: what waits for a table keeps nothing else waiting. */
  readonly waiting: Map<Work, Waiter[]>;
}

interface Waiter {
  readonly place: number;
  readonly since: number;
  grant(turn: Turn): void;
  refuse(error: Error): void;
}

/** Told of each wait that is over. */
export type TellWait = (ms: number, isInVain: boolean) => void;

/** The right to hold one connection. */
export interface Turn {
  /** Begins a statement of a transaction. @throws NoTurnError when others wait for the same in vain */
  begin(text: string): Step;
  finish(step: Step, outcome: Outcome): void;
  /** Gives it back; of a statement alone, tells how that ended. */
  end(outcome?: Outcome): void;
}

/**
 * Who holds a connection, and who waits for one: without a connection, and so at nobody else's cost. Each organization
 * holds half of them at most and has one transaction at a time, since they would wait for the organization's row;
 * organizations take turns, and leave one in ten to the directory. Of what is counted or searched each does one at a time.
 * Statements of one kind hold half at most, those since whose begin nothing of their kind was answered a third, and so do
 * transactions, of a kind that is answered half: whatever is locked, the rest goes on. Beyond these bounds of statements there
 * is room for whoever holds few, so that two others together never keep them waiting.
 */
export class Turns {
  readonly #lanes = new Map<Who, Lane>();
  /** Lanes with someone waiting, the next one first. */
  readonly #ring = new Set<Lane>();
  readonly #kinds = new Kinds();
  readonly #transactions = new TransactionKinds();
  #places = 0;
  #isWatching = false;
  /** Each who is told that their turn does not come is answered then, and what others wait for is done between. */
  readonly #tell = spreadOut();
  #held = 0;
  #heldInside = 0;
  /** How many organizations hold any. */
  #holding = 0;
  #total = 0;
  #inside = 0;
  #share = 0;
  #third = 0;

  constructor(
    connections: number,
    private readonly tellWait: TellWait = () => undefined,
  ) {
    this.resize(connections);
  }

  /** So many connections are to be had from now on. */
  resize(connections: number): void {
    this.#total = connections;
    this.#inside = connections === 1 ? 1 : connections - Math.max(1, Math.floor(connections / 10));
    this.#share = Math.max(1, Math.floor(connections / 2));
    this.#third = Math.max(1, Math.floor(connections / 3));
  }

  /** How many wait, and of how many lanes anything is remembered. */
  get waiting(): number {
    let count = 0;
    for (const { queued } of this.#ring) count += queued;
    return count;
  }
  get remembered(): number {
    return this.#lanes.size;
  }

  kindOf(text: string): Kind {
    return this.#kinds.of(text);
  }

  /** @param purpose what it is for, such as the mutation's name */
  transactionOf(purpose: string): TransactionKind {
    return this.#transactions.of(purpose);
  }

  /**
   * The turn at once where one is free, and else when it comes.
   *
   * @param onWait is handed what ends the wait of someone who went away
   * @throws NoTurnError when too many wait already, or the turn does not come in time
   */
  take(who: Who, work: Work, onWait?: (leave: () => void) => () => void): Turn | Promise<Turn> {
    let lane = this.#lanes.get(who);
    if (!lane) {
      lane = { who, held: 0, scans: 0, inTransaction: false, queued: 0, unanswered: 0, waiting: new Map() };
      this.#lanes.set(who, lane);
    }
    // Nobody passes those who wait for the same.
    if (!lane.waiting.has(work) && this.#fits(lane, work)) return this.#grant(lane, work);
    if (lane.queued >= MAX_WAITING) return Promise.reject(new NoTurnError());
    return this.#wait(lane, work, onWait);
  }

  #fits(lane: Lane, work: Work): boolean {
    if (this.#held >= this.#total) return false;
    if (lane.who === DIRECTORY_LANE) return isTransaction(work) || work.unanswered.size < this.#third;
    const hasFew = lane.held < FEW;
    if (this.#heldInside >= (hasFew ? this.#inside : this.#inside - FEW) || lane.held >= this.#share) return false;
    if (isTransaction(work)) return !lane.inTransaction && this.#fitsTransaction(work);
    if (work.isScan && lane.scans >= SCANS) return false;
    if (work.underWay >= (hasFew ? Math.max(this.#share, this.#inside - 1) : this.#share)) return false;
    if (work.unanswered.size === 0) return true;
    if (isTried(work, lane)) return false;
    if (hasFew) return this.#kinds.unanswered < this.#share && this.#leavesRoom();
    return this.#kinds.unanswered < this.#third && lane.unanswered < Math.ceil(this.#third / 2);
  }

  #fitsTransaction({ unanswered }: TransactionKind): boolean {
    const { underWay } = this.#transactions;
    if (unanswered.size === 0) return underWay < this.#share;
    return underWay < this.#third && this.#leavesRoom();
  }

  /** Whether what gets no answer, and one more, leaves room for what does; a third organization may find out for itself. */
  #leavesRoom(): boolean {
    return this.#holding <= FEW || this.#kinds.unanswered + this.#transactions.unanswered < this.#inside - FEW;
  }

  #grant(lane: Lane, work: Work): Turn {
    const isInside = lane.who !== DIRECTORY_LANE;
    const transaction = isInside && isTransaction(work) ? work : null;
    this.#held += 1;
    if (isInside) this.#heldInside += 1;
    if (isInside && lane.held === 0) this.#holding += 1;
    lane.held += 1;
    const only = isTransaction(work) ? null : this.#kinds.begin(work, lane, true);
    if (only?.kind.isScan) lane.scans += 1;
    const steps: Step[] = [];
    let isOver = false;
    let isAnswered = true;
    const turn: Turn = {
      begin: (text) => {
        const kind = this.kindOf(text);
        if (isTried(kind, lane)) throw new NoTurnError();
        const step = this.#kinds.begin(kind, lane, false);
        steps.push(step);
        return step;
      },
      finish: (step, outcome) => {
        isAnswered &&= outcome === 'answered';
        this.#finish(step, outcome);
        this.#next();
      },
      end: (outcome = 'cut off') => {
        if (isOver) return;
        isOver = true;
        if (only) this.#finish(only, outcome);
        if (only?.kind.isScan) lane.scans -= 1;
        for (const step of steps) {
          isAnswered &&= step.isOver;
          this.#finish(step, outcome); // of those that were not finished
        }
        this.#held -= 1;
        lane.held -= 1;
        if (isInside) this.#heldInside -= 1;
        if (isInside && lane.held === 0) this.#holding -= 1;
        if (transaction) {
          lane.inTransaction = false;
          this.#transactions.end(transaction, turn, isAnswered && steps.length > 0);
        }
        this.#next();
        this.#forget(lane);
      },
    };
    if (transaction) {
      lane.inTransaction = true;
      this.#transactions.begin(transaction, turn);
    }
    return turn;
  }

  #finish(step: Step, outcome: Outcome): void {
    if (step.isOver) return;
    this.#kinds.finish(step, outcome);
    if (outcome !== 'locked') return;
    // It waited as long as anyone may, so others of its organization need not begin; nor others at all that did so too.
    const { kind, lane } = step;
    const areMany = isTableLocked(kind);
    this.#refuse((_, work, { who }) => work === kind && (who === lane.who || (areMany && kind.inVain.has(who))));
  }

  #wait(lane: Lane, work: Work, onWait: ((leave: () => void) => () => void) | undefined): Promise<Turn> {
    return new Promise((resolve, reject) => {
      const leave = () => waiter.refuse(new ClientLeftError());
      const over = () => {
        forgetLeave?.();
        this.#remove(lane, work, waiter);
      };
      const waiter: Waiter = {
        place: (this.#places += 1),
        since: performance.now(),
        grant: (turn) => {
          over();
          this.tellWait(performance.now() - waiter.since, false);
          resolve(turn);
        },
        refuse: (error) => {
          over();
          this.tellWait(performance.now() - waiter.since, true);
          this.#forget(lane);
          this.#tell(() => reject(error));
        },
      };
      const forgetLeave = onWait?.(leave);
      const queue = lane.waiting.get(work);
      if (queue) queue.push(waiter);
      else lane.waiting.set(work, [waiter]);
      lane.queued += 1;
      this.#ring.add(lane);
      this.#watch();
    });
  }

  /** One timer for all who wait: nobody's wait is worth one of its own. */
  #watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    setTimeout(() => {
      this.#isWatching = false;
      this.#refuse((waiter) => waiter.since < performance.now() - WAIT_MS);
      if (this.#ring.size > 0) this.#watch();
    }, WATCH_MS).unref();
  }

  #remove(lane: Lane, work: Work, waiter: Waiter): void {
    const queue = lane.waiting.get(work) ?? [];
    const index = queue.indexOf(waiter);
    if (index < 0) return;
    queue.splice(index, 1);
    lane.queued -= 1;
    if (queue.length === 0) lane.waiting.delete(work);
    if (lane.queued === 0) this.#ring.delete(lane);
  }

  /** Lets in whoever fits now, lane by lane. */
  #next(): void {
    for (const lane of this.#ring) {
      if (this.#held >= this.#total) return;
      const found = this.#firstThatFits(lane);
      if (!found) continue;
      const [work, waiter] = found;
      this.#ring.delete(lane);
      waiter.grant(this.#grant(lane, work));
      if (lane.queued > 0) this.#ring.add(lane); // behind all others
    }
  }

  #firstThatFits(lane: Lane): [Work, Waiter] | null {
    let first: [Work, Waiter] | null = null;
    for (const [work, [waiter]] of lane.waiting) {
      if (waiter && (!first || waiter.place < first[1].place) && this.#fits(lane, work)) first = [work, waiter];
    }
    return first;
  }

  #refuse(concerns: (waiter: Waiter, work: Work, lane: Lane) => boolean): void {
    for (const lane of this.#ring) {
      for (const [work, queue] of lane.waiting) {
        // They stand in the order in which they came.
        while (queue[0] && concerns(queue[0], work, lane)) queue[0].refuse(new NoTurnError());
      }
    }
  }

  #forget(lane: Lane): void {
    if (lane.held === 0 && lane.queued === 0) this.#lanes.delete(lane.who);
  }
}
