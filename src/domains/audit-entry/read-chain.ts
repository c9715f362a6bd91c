import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Sealable } from './chain.js';

/** A place of a chain, as it stands in the store. */
export interface ChainLink {
  readonly seal: { readonly sequence: bigint; readonly hash: string; readonly salts: unknown };
  /** Undefined where it is gone. */
  readonly entry: Sealable | undefined;
}

export interface ChainHead {
  readonly sequence: bigint;
  readonly hash: string;
}

/** The chain of one record, as it is read: an organization's, or the deployment's own. */
export interface Chain {
  /** The newest place; null while nothing is sealed. */
  head(): Promise<ChainHead | null>;
  /** The hash at a place; null where there is none. */
  hashAt(sequence: number): Promise<string | null>;
  /** A thousand places at the most, the last included. */
  links(from: number, to: number): Promise<Map<number, ChainLink>>;
}

const MOST = 1000;

/** The newest place of an organization's chain; null while nothing is sealed. */
export async function readHead(db: RequestDb): Promise<ChainHead | null> {
  const [head] = await db.auditSeal.list({ orderBy: { sequence: 'desc' }, take: 1 });
  return head ?? null;
}

/** The chain of an organization. */
export const chainOf = (db: RequestDb): Chain => ({
  head: () => readHead(db),
  hashAt: async (sequence) => (await db.auditSeal.find({ sequence: BigInt(sequence) }))?.hash ?? null,
  async links(from, to) {
    const seals = await db.auditSeal.list({
      where: { sequence: { gte: BigInt(from), lte: BigInt(to) } },
      orderBy: { sequence: 'asc' },
      take: MOST,
    });
    const numbers = seals.map(({ number }) => number);
    const entries = await db.auditEntry.list({
      where: { number: { in: numbers } },
      orderBy: { number: 'asc' },
      take: MOST,
    });
    const byNumber = new Map(entries.map((entry) => [entry.number, entry]));
    return new Map(seals.map((seal) => [Number(seal.sequence), { seal, entry: byNumber.get(seal.number) }]));
  },
});
