import { type ScopedPool, UnscopedStatementError } from '../connection/org-connection.js';
import { ROW_TYPES } from '../connection/pg-types.js';
import type { Model } from './models.js';
import { quote } from './read-rows.js';
import type { AnyRow } from './models.js';

/** Makes one row by a statement of our own. What is left out, the database fills in by its own defaults. */
export async function insertRow(
  pool: ScopedPool,
  model: Model,
  data: Readonly<Record<string, unknown>>,
): Promise<AnyRow> {
  if (!data[model.orgField]) throw new UnscopedStatementError(`${model.name} was about to be made in no organization`);
  const columns: string[] = [];
  const values: unknown[] = [];
  for (const [field, { column, type }] of model.fields) {
    const value = data[field];
    if (value === undefined) continue;
    columns.push(quote(column));
    values.push(type === 'Json' && value !== null ? JSON.stringify(value) : value);
  }
  const text =
    `insert into ${quote(model.table)} (${columns.join(', ')}) ` +
    `values (${values.map((_, index) => `$${index + 1}`).join(', ')}) returning ${model.selected}`;
  const { rows } = await pool.query<AnyRow>({ text, values, types: ROW_TYPES });
  const [made] = rows;
  if (!made) throw new Error(`no ${model.name} was made`);
  return made;
}
