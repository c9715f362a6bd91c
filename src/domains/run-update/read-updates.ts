import { createTogether } from '../../data/connection/together.js';
import type { OrgId } from '../../data/id.js';
import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import type { RunStatus } from '../../generated/enums.js';
import type { SealedPlaces } from '../../secrets/sealed-place.js';
import { readPlaces } from '../audit-entry/index.js';

/** What a run became, by the word of the record. */
const BECAME: Readonly<Record<string, RunStatus>> = {
  'run.created': 'QUEUED',
  'run.queued': 'QUEUED',
  'run.running': 'RUNNING',
  'run.succeeded': 'SUCCEEDED',
  'run.failed': 'FAILED',
  'run.cancelled': 'CANCELLED',
};

/** What a run became by an entry: of one that was made, what it began as. */
const becameBy = ({ action, changes }: Pick<Row<'AuditEntry'>, 'action' | 'changes'>): RunStatus | undefined => {
  const [, first] = (changes as { readonly status?: readonly [null, RunStatus] } | null)?.status ?? [];
  return action === 'run.created' && first === 'AWAITING_APPROVAL' ? first : BECAME[action];
};

export interface StatusChange {
  /** Its place, sealed once for all who hear of it. */
  readonly cursor: string;
  readonly runId: string;
  readonly status: RunStatus;
  readonly at: Date;
  readonly run: Row<'Run'> | null;
}

export interface Stretch {
  /** The last place that was looked at. */
  readonly to: number;
  /** Whether more may stand behind it. */
  readonly isMore: boolean;
  readonly changes: readonly StatusChange[];
}

/**
 * So much is read at once, of the record or of runs: each stream holds that until its client took it and there are points for it, which may be
 * minutes, and there may be a thousand of them.
 */
export const AT_ONCE = 25;

const together = createTogether();

const lines = new Map<OrgId, Promise<unknown>>();

/** One stretch of an organization's record after the other: whoever goes through it again, with many streams, has one connection at most. */
function inLine<T>(orgId: OrgId, read: () => Promise<T>): Promise<T> {
  const line = (lines.get(orgId) ?? Promise.resolve()).then(read, read);
  lines.set(orgId, line);
  const leave = () => void (lines.get(orgId) === line && lines.delete(orgId));
  line.then(leave, leave);
  return line;
}

/** What is read of an organization, whoever waits for it there: once for all of them. */
export function runsOf(orgId: OrgId, db: RequestDb, places: SealedPlaces) {
  const cursorOf = (sequence: bigint) => places.seal(orgId, Number(sequence));
  return {
    /** What became of runs behind a place of the record, of all or of one. */
    changesAfter: (after: number, runId: string | null): Promise<Stretch> =>
      together(`changes ${orgId} ${after} ${runId ?? ''}`, () =>
        inLine(orgId, () => readChanges(db, { after, runId, cursorOf })),
      ),

    rows: (ids: readonly string[]): Promise<ReadonlyMap<string, Row<'Run'>>> =>
      ids.length === 0
        ? Promise.resolve(new Map())
        : together(`runs ${orgId} ${ids.toSorted().join(' ')}`, () => readRuns(db, ids)),

    /** Those at work, the latest. */
    running: (): Promise<readonly string[]> => together(`running ${orgId}`, () => readRunning(db)),
  };
}

interface Wanted {
  readonly after: number;
  readonly runId: string | null;
  readonly cursorOf: (sequence: bigint) => Promise<string>;
}

async function readChanges(db: RequestDb, { after, runId, cursorOf }: Wanted): Promise<Stretch> {
  const where = {
    action: { in: Object.keys(BECAME) },
    outcome: 'DONE' as const,
    ...(runId !== null && { targetId: runId }),
  };
  const places = await readPlaces(db, after + 1, after + AT_ONCE, where);
  const found = places.flatMap(({ seal, entry }) => {
    const status = entry && becameBy(entry);
    return status && entry.targetId ? [{ sequence: seal.sequence, runId: entry.targetId, status, at: entry.at }] : [];
  });
  const runs = await readRuns(db, [...new Set(found.map((change) => change.runId))]);
  return {
    to: Number(places.at(-1)?.seal.sequence ?? after),
    isMore: places.length === AT_ONCE,
    changes: await Promise.all(
      found.map(async ({ sequence, ...change }) => ({
        ...change,
        cursor: await cursorOf(sequence),
        run: runs.get(change.runId) ?? null,
      })),
    ),
  };
}

async function readRuns(db: RequestDb, ids: readonly string[]): Promise<Map<string, Row<'Run'>>> {
  if (ids.length === 0) return new Map();
  const rows = await db.run.list({ where: { id: { in: [...ids] } }, orderBy: { id: 'asc' }, take: ids.length });
  return new Map(rows.map((row) => [row.id, row]));
}

/** An organization may have up to 10,000 at once: of those that are more the next report tells. */
const MOST_RUNNING = 1000;

async function readRunning(db: RequestDb): Promise<string[]> {
  const rows = await db.run.list({
    where: { status: 'RUNNING' },
    orderBy: { createdAt: 'desc' },
    take: MOST_RUNNING,
  });
  return rows.map(({ id }) => id);
}
