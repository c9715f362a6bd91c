import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { badInput } from '../../errors.js';
import type { AuditChainProblem } from '../../generated/graphql.js';
import { hashOf, NO_HASH, type Salt } from './chain.js';

/** What became of a stretch of a chain. */
export interface Verification {
  readonly ok: boolean;
  readonly headSequence: bigint;
  readonly headHash: string | null;
  readonly checked: number;
  readonly firstBad: number | null;
  readonly problem: AuditChainProblem | null;
}

const MOST = 10_000;
/** Read at once. */
const STRETCH = 1000;

/**
 * Computes a stretch of the chain anew and compares.
 *
 * @throws BAD_USER_INPUT at `from`, `to`
 */
export async function verifyChain(
  db: RequestDb,
  { from, to }: { readonly from: number; readonly to: number | null },
): Promise<Verification> {
  if (from < 1) throw badInput('from', 'Places count from 1.');
  if (to !== null && to < from) throw badInput('to', 'Ends before it begins.');
  if (to !== null && to - from >= MOST) throw badInput('to', `At most ${MOST} places at a time.`);
  const head = await readHead(db);
  const headSequence = head?.sequence ?? 0n;
  const last = Math.min(to ?? from + MOST - 1, Number(headSequence));
  let before = from === 1 ? NO_HASH : ((await sealAt(db, from - 1))?.hash ?? null);
  const done = (checked: number, firstBad: number | null = null, problem: AuditChainProblem | null = null) => ({
    ok: problem === null,
    headSequence,
    headHash: head?.hash ?? null,
    checked,
    firstBad,
    problem,
  });
  if (before === null && from <= last) return done(0, from - 1, 'MISSING');
  for (let next = from; next <= last; next += STRETCH) {
    const links = await readLinks(db, next, Math.min(next + STRETCH - 1, last));
    for (let sequence = next; sequence <= Math.min(next + STRETCH - 1, last); sequence += 1) {
      const link = links.get(sequence);
      const problem = link ? problemOf(link, { before: before ?? NO_HASH, sequence, links }) : 'MISSING';
      if (problem !== null) return done(sequence - from, sequence, problem);
      before = link?.seal.hash ?? null;
    }
  }
  return done(Math.max(last - from + 1, 0));
}

interface ChainLink {
  readonly seal: Row<'AuditSeal'>;
  readonly entry: Row<'AuditEntry'> | undefined;
}

interface Place {
  readonly before: string;
  readonly sequence: number;
  readonly links: ReadonlyMap<number, ChainLink>;
}

function problemOf(link: ChainLink, place: Place): AuditChainProblem | null {
  if (!link.entry) return 'MISSING';
  if (fits(link, place)) return null;
  const isElsewhere = [...place.links.values()].some((other) => other !== link && fits(other, place));
  return isElsewhere ? 'REORDERED' : 'ALTERED';
}

const fits = ({ seal, entry }: ChainLink, { before, sequence }: Place): boolean =>
  entry !== undefined && seal.hash === hashOf(entry, { before, sequence, salts: saltsOf(seal) });

/** As `chain.ts` made them; what someone else wrote in their place fits nothing. */
const saltsOf = ({ salts }: Row<'AuditSeal'>): readonly Salt[] => (Array.isArray(salts) ? (salts as Salt[]) : []);

async function readLinks(db: RequestDb, from: number, to: number): Promise<Map<number, ChainLink>> {
  const seals = await db.auditSeal.list({
    where: { sequence: { gte: BigInt(from), lte: BigInt(to) } },
    orderBy: { sequence: 'asc' },
    take: STRETCH,
  });
  const numbers = seals.map(({ number }) => number);
  const entries = await db.auditEntry.list({
    where: { number: { in: numbers } },
    orderBy: { number: 'asc' },
    take: STRETCH,
  });
  const byNumber = new Map(entries.map((entry) => [entry.number, entry]));
  return new Map(seals.map((seal) => [Number(seal.sequence), { seal, entry: byNumber.get(seal.number) }]));
}

const sealAt = (db: RequestDb, sequence: number): Promise<Row<'AuditSeal'> | null> =>
  db.auditSeal.find({ sequence: BigInt(sequence) });

/** The newest place of the chain; null while nothing is sealed. */
export async function readHead(db: RequestDb): Promise<Row<'AuditSeal'> | null> {
  const [head] = await db.auditSeal.list({ orderBy: { sequence: 'desc' }, take: 1 });
  return head ?? null;
}
