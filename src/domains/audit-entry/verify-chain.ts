import { badInput } from '../../errors.js';
import type { AuditChainProblem } from '../../generated/graphql.js';
import { hashOf, NO_HASH, type Salt } from './chain.js';
import { type Chain, type ChainLink, STRETCH } from './read-chain.js';

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

/**
 * Computes a stretch of the chain anew and compares.
 *
 * @throws BAD_USER_INPUT at `from`, `to`
 */
export async function verifyChain(
  chain: Chain,
  { from, to }: { readonly from: number; readonly to: number | null },
): Promise<Verification> {
  if (from < 1) throw badInput('from', 'At least 1: places count from there.');
  if (to !== null && to < from) throw badInput('to', 'Must not be before `from`.');
  if (to !== null && to - from >= MOST) throw badInput('to', `At most ${MOST} places at a time.`);
  const head = await chain.head();
  const headSequence = head?.sequence ?? 0n;
  const last = Math.min(to ?? from + MOST - 1, Number(headSequence));
  let before = from === 1 ? NO_HASH : await chain.hashAt(from - 1);
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
    const links = await chain.links(next, Math.min(next + STRETCH - 1, last));
    for (let sequence = next; sequence <= Math.min(next + STRETCH - 1, last); sequence += 1) {
      const link = links.get(sequence);
      const problem = link ? problemOf(link, { before: before ?? NO_HASH, sequence, links }) : 'MISSING';
      if (problem !== null) return done(sequence - from, sequence, problem);
      before = link?.seal.hash ?? null;
    }
  }
  return done(Math.max(last - from + 1, 0));
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
const saltsOf = ({ salts }: ChainLink['seal']): readonly Salt[] => (Array.isArray(salts) ? (salts as Salt[]) : []);
