import pg from 'pg';
import { withoutStack } from '../../thrown.js';

/**
 * How a statement ended. It waited in vain for a row, which is its organization's own affair, or for what may be a whole
 * table, which is everyone's; or it was cut off, which tells nothing.
 */
export type Outcome = 'answered' | 'row locked' | 'locked' | 'cut off';

/** Statements that wait for the same: all that read the same tables, or write them. */
export interface Kind {
  /** Counts rows, or looks for text in them: it takes as long as there are rows, whatever it answers. */
  readonly isScan: boolean;
  /** Waits are for one organization's row, and tell nothing of others'. */
  readonly isOrderedByRow: boolean;
  /** Who waited for a lock in vain since anything of this kind was answered to anyone. */
  readonly inVain: Set<Who>;
  /** Begun, and nothing of this kind was answered since. */
  readonly unanswered: Set<Step>;
  underWay: number;
}

/** Who takes turns: each organization by its id, and the directory, which every request needs first. */
export type Who = string;

/** Whoever begins statements. */
export interface Asking {
  readonly who: Who;
  /** Of statements alone: transactions have a bound of their own. */
  unanswered: number;
}

/** One statement under way. */
export interface Step {
  readonly kind: Kind;
  readonly lane: Asking;
  readonly isAlone: boolean;
  readonly began: number;
  isOver: boolean;
}

/** A statement, or what waited to be one, that was refused unasked. It is told in PostgreSQL's own words: Prisma knows those. */
export class NoTurnError extends pg.DatabaseError {
  override code = '55P03';
  override severity = 'ERROR';

  constructor() {
    super('waited for its turn, or a lock, in vain', 0, 'error');
    withoutStack(this);
  }
}

/** Past this a statement is taken to wait for a lock, where two organizations waited in vain already. */
const OVERDUE_MS = 300;

/** Texts differ only by the length of their lists, but those differ often. */
const MAX_KNOWN = 2000;

/**
 * Keeps count of statements by what they may wait for. An answer shows that nothing of the kind waits for a table, so in
 * ordinary work the counts are next to nothing; they grow only where no answer comes.
 */
export class Kinds {
  readonly #byText = new Map<string, Kind>();
  readonly #byTables = new Map<string, Kind>();
  /** Of statements alone. */
  unanswered = 0;

  of(text: string): Kind {
    let kind = this.#byText.get(text);
    if (kind) return kind;
    const isScan = SCAN.test(text);
    const tables = tablesOf(text);
    const name = isScan ? `scan ${tables}` : tables;
    kind = this.#byTables.get(name);
    if (!kind) {
      kind = {
        isScan,
        isOrderedByRow: tables === 'write organization',
        inVain: new Set(),
        unanswered: new Set(),
        underWay: 0,
      };
      this.#byTables.set(name, kind);
    }
    if (this.#byText.size >= MAX_KNOWN) this.#byText.clear();
    this.#byText.set(text, kind);
    return kind;
  }

  begin(kind: Kind, lane: Asking, isAlone: boolean): Step {
    const step = { kind, lane, isAlone, began: performance.now(), isOver: false };
    kind.underWay += 1;
    kind.unanswered.add(step);
    this.#count(step, 1);
    return step;
  }

  finish(step: Step, outcome: Outcome): void {
    const { unanswered, inVain, isOrderedByRow } = step.kind;
    step.isOver = true;
    step.kind.underWay -= 1;
    if (outcome === 'answered') {
      for (const each of unanswered) this.#count(each, -1);
      unanswered.clear();
      inVain.clear();
      return;
    }
    if (outcome === 'locked' && !isOrderedByRow) inVain.add(step.lane.who);
    if (unanswered.delete(step)) this.#count(step, -1);
  }

  #count({ lane, isAlone }: Step, by: number): void {
    if (!isAlone) return;
    this.unanswered += by;
    lane.unanswered += by;
  }
}

/** One organization that waits in vain may do so for its own row; of two, it is taken to be the table. */
export const isTableLocked = ({ inVain }: Kind): boolean => inVain.size > 1;

/**
 * Whether someone tries already what would only wait. Two that wait for rows of their own could pass for a locked table, so
 * whoever has not waited in vain may try for themselves, unless another of those is at it and gets no answer.
 */
export function isTried(kind: Kind, { who }: Asking): boolean {
  if (!isTableLocked(kind) || kind.unanswered.size === 0) return false;
  if (kind.inVain.has(who)) return true;
  const since = performance.now() - OVERDUE_MS;
  for (const { began, lane } of kind.unanswered) {
    if (began < since && !kind.inVain.has(lane.who)) return true;
  }
  return false;
}

const SCAN = /\bcount\(|\si?like\s/i;

const WRITE = /\b(?:insert\s+into|update|delete\s+from|merge\s+into)\b/i;

const reads = new Map<string, boolean>();

/** Whether a text only asks, as far as it says itself: what else it may do by functions, PostgreSQL refuses untold. */
export function isRead(text: string): boolean {
  let is = reads.get(text);
  if (is === undefined) {
    is = /^\s*(?:select|with)\b/i.test(text) && !WRITE.test(text);
    if (reads.size >= MAX_KNOWN) reads.clear();
    reads.set(text, is);
  }
  return is;
}

/** `read run`, `write run`, `read membership organization`. A function's name is no table. */
function tablesOf(text: string): string {
  const names = [...text.matchAll(/\b(?:from|join|into|update)\s+(?:"?public"?\.)?"?(\w+)\b"?(?!\()/gi)];
  const verb = WRITE.test(text) ? 'write' : 'read';
  return [verb, ...new Set(names.map(([, name = '']) => name.toLowerCase()).toSorted())].join(' ');
}
