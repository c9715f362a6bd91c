import type { NoteRefusals, Refusal, Tried } from '../../context/refusal.js';
import type { Outside } from '../../data/connection/outside.js';
import type { OrgId } from '../../data/id.js';
import { part } from '../../parts.js';
import type { WholeRecord } from '../../resource/record.js';
import { openEntryWriter, type OwnEntry } from './outside.js';

/** How long nobody is told again that the same was refused to the same. */
const AGAIN_MS = 60_000;
/** Of who was refused what so lately; of more, the oldest are forgotten, and the database knows them still. */
const REMEMBERED = 10_000;
/** What waits to be written, of all organizations and of one. More is not told. */
const WAITING = 1000;
const WAITING_OF_ONE = 100;

/** What was refused, and waits to be written. */
export const WAITING_REFUSALS = part<Refusals>('refusals that wait');

/**
 * Refusals inside organizations. To note one costs a look into a map; whoever is refused a thousand times a second is told of
 * once a minute. Written by a job, a statement for each organization.
 */
export class Refusals implements NoteRefusals {
  /** By whom and what, in the order in which they were noted. */
  readonly #noted = new Map<string, number>();
  readonly #waiting = new Map<OrgId, OwnEntry[]>();
  #count = 0;

  constructor(
    private readonly record: WholeRecord,
    private readonly now: () => number = () => performance.now(),
  ) {}

  note({ orgId, act, tried, error }: Refusal): void {
    const action = actionOf(tried, this.record);
    const key = `${orgId} ${act.id} ${act.onBehalfOf ?? ''} ${action}`;
    if (!action || this.#isNoted(key)) return;
    const { requiredPermission } = error.detail;
    const reason = requiredPermission ? `${error.code}: needs ${requiredPermission}` : error.code;
    const entry = { act, action, outcome: 'REFUSED', targetType: action.split('.')[0] ?? '', reason } as const;
    // Where there is no room it was not told, and is when it is tried again.
    if (this.#wait(orgId, { ...entry, onceIn: '1 minute' })) this.#remember(key);
  }

  /** How many wait. */
  get waiting(): number {
    return this.#count;
  }

  /** Writes what waits. What could not be written waits on. @throws AggregateError */
  async write(outside: Outside, signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    const write = outside(openEntryWriter);
    // What fails is put back behind them, and not tried again before the next time.
    const before = Array.from(this.#waiting);
    for (const [orgId, entries] of before) {
      if (signal.aborted) break;
      this.#waiting.delete(orgId);
      this.#count -= entries.length;
      await write(orgId, entries).catch((error: unknown) => {
        failures.push(error);
        for (const entry of entries) this.#wait(orgId, entry);
      });
    }
    if (failures.length > 0)
      throw new AggregateError(failures, `refusals of ${failures.length} records were not written`);
  }

  /** @returns whether there was room */
  #wait(orgId: OrgId, entry: OwnEntry): boolean {
    const theirs = this.#waiting.get(orgId) ?? [];
    if (this.#count >= WAITING || theirs.length >= WAITING_OF_ONE) return false;
    theirs.push(entry);
    this.#count += 1;
    this.#waiting.set(orgId, theirs);
    return true;
  }

  #isNoted(key: string): boolean {
    const before = this.#noted.get(key);
    return before !== undefined && this.now() < before + AGAIN_MS;
  }

  #remember(key: string): void {
    this.#noted.delete(key);
    const [oldest] = this.#noted.size >= REMEMBERED ? this.#noted.keys() : [];
    if (oldest !== undefined) this.#noted.delete(oldest);
    this.#noted.set(key, this.now());
  }
}

/** Null of what is done in no organization, or in another than the request's. */
function actionOf(tried: Tried, { actions, leaves }: WholeRecord): string | null {
  if ('mutation' in tried) {
    const left = leaves.get(tried.mutation);
    return left?.of === 'current' ? left.action : null;
  }
  const word = 'action' in tried ? tried.action : tried.permission.replaceAll('-', '_').replace(':', '.');
  return actions.has(word) ? word : null;
}
