import type { RequestContext } from '../../context/context.js';
import type { Row } from '../../data/organization/table.js';

/** An entry, with its place in the chain where it is sealed. */
export interface AuditEntryParent extends Omit<Row<'AuditEntry'>, 'number'> {
  readonly sealed: { readonly sequence: bigint; readonly hash: string } | null;
}

/** Finds the places of entries in the chain, by one statement. */
export async function withSeals(
  entries: readonly Row<'AuditEntry'>[],
  { db }: RequestContext,
): Promise<AuditEntryParent[]> {
  const numbers = entries.map(({ number }) => number);
  const where = { number: { in: numbers } };
  const seals = await db.auditSeal.list({ where, orderBy: { sequence: 'asc' }, take: numbers.length });
  const byNumber = new Map(seals.map((seal) => [seal.number, seal]));
  return entries.map((entry) => ({ ...entry, sealed: byNumber.get(entry.number) ?? null }));
}
