import type { Filter, Table } from '../data/organization/table.js';
import { conflict, notFound } from '../errors.js';
import { codeOf } from '../thrown.js';

/** A row that can be told from others by its id. */
interface Identified {
  readonly id: string;
}

/**
 * Updates a row unless someone else did since the client read it.
 *
 * @param expectedUpdatedAt the `updatedAt` that the client has seen; anything goes when it gave none
 * @param argument where that stands
 * @throws NOT_FOUND; CONFLICT on the argument
 */
export async function updateIfUnchanged<R extends Identified & { readonly updatedAt: Date }>(
  table: Pick<Table<R, never>, 'update' | 'find'>,
  id: string,
  expectedUpdatedAt: Date | null | undefined,
  changes: object,
  argument = 'input.expectedUpdatedAt',
): Promise<R> {
  const it = { id } as Filter<R>;
  if (!expectedUpdatedAt) return table.update(it, changes);
  try {
    return await table.update({ ...it, updatedAt: expectedUpdatedAt }, changes);
  } catch (error) {
    if (codeOf(error) !== 'NOT_FOUND') throw error;
    if (!(await table.find(it))) throw notFound();
    throw conflict('This was changed in the meantime.', argument);
  }
}

/**
 * Deletes a row and answers its id, as mutations do.
 *
 * @throws NOT_FOUND
 */
export async function deleteRow(table: { delete(where: Identified): Promise<number> }, id: string): Promise<string> {
  if ((await table.delete({ id })) === 0) throw notFound();
  return id;
}
