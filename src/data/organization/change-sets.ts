import type pg from 'pg';
import { UnscopedStatementError } from '../connection/org-connection.js';
import type { OwnStatement } from '../connection/statement.js';
import { Ids, pack, type PackedIds, unpackParameter } from './ids.js';
import type { Model } from './models.js';
import { columnOf, conditionsOf, countRows, namesMany, quote, readRows, type RowQuery } from './read-rows.js';
import type { Forced } from './scope.js';
import type { Search } from './search.js';
import type { AnyRow } from './models.js';

/** Runs a statement in the organization's frame: on a connection of the pool, or on the transaction's own. */
export type Run = (statement: OwnStatement) => Promise<pg.QueryResult>;

type Where = Readonly<Record<string, unknown>>;

/** Wall 1's check of the arguments, which puts the organization into them. */
export type Force = (
  model: Model,
  operation: 'create' | 'updateManyAndReturn' | 'deleteMany' | 'count' | 'findMany' | 'groupBy',
  args: Readonly<Record<string, unknown>>,
) => Forced;

/** What is done to many rows at once: one statement, however many they are. */
export interface Sets {
  /** @param skipTaken leaves out rows whose key another row has */
  insert(model: Model, rows: readonly AnyRow[], skipTaken?: boolean): Promise<number>;
  insertEach(model: Model, field: string, ids: Ids, data: AnyRow): Promise<number>;
  update(model: Model, where: Where, data: AnyRow, atMost?: number): Promise<number>;
  delete(model: Model, where: Where): Promise<number>;
  count(model: Model, where: Where, search?: Search): Promise<number>;
  rows(model: Model, query: RowQuery): Promise<AnyRow[]>;
  ids(model: Model, field: string, where: Where): Promise<Ids>;
  idsBy(model: Model, parent: string, field: string, where: Where, atMost: number): Promise<Map<string, Ids> | null>;
}

export function createSets(run: Run, force: Force): Sets {
  const changed = async (text: string, values: unknown[]) =>
    (await run({ text, values, isPlannedAnew: true })).rowCount ?? 0;
  // Of which there is one plan.
  const inserted = async (text: string, values: unknown[]) => (await run({ text, values })).rowCount ?? 0;
  const whereOf = (model: Model, filter: Where = {}, values: unknown[]): string => {
    if (!filter[model.orgField]) {
      throw new UnscopedStatementError(`many of ${model.name} were about to be changed in no organization`);
    }
    return Object.entries(filter)
      .flatMap(([field, each]) => conditionsOf(columnOf(model, field), each, values))
      .join(' and ');
  };
  return {
    async insert(model, rows, skipTaken = false) {
      const forced = rows.map((data) => force(model, 'create', { data }).data ?? {});
      const [first] = forced;
      if (!first) return 0;
      const [text, values] = insertStatement(model, forced, Object.keys(first));
      return inserted(skipTaken ? `${text} on conflict do nothing` : text, values);
    },
    async insertEach(model, field, ids, given) {
      const { data = {} } = force(model, 'create', { data: { ...given, [field]: '' } });
      if (!data[model.orgField]) {
        throw new UnscopedStatementError(`many of ${model.name} were about to be made in no organization`);
      }
      const { [field]: _, ...same } = data;
      const fields = Object.keys(same);
      const columns = [...fields, field].map((each) => quote(fieldOf(model, each).column));
      const values: unknown[] = fields.map((each) => listed(model, each, same[each]));
      const parameters = fields.map((each, index) => `$${index + 1}::${TYPES[fieldOf(model, each).type]}`);
      return inserted(
        `insert into ${quote(model.table)} (${columns.join(', ')}) select ${parameters.join(', ')}, given.id ` +
          `from unnest(${unpackParameter(`$${values.push(ids.packed.text)}`)}) as given(id)`,
        values,
      );
    },
    async update(model, filter, given, atMost) {
      const { where, data = {} } = force(model, 'updateManyAndReturn', { where: filter, data: given });
      const values: unknown[] = [];
      const set = Object.entries(data).map(([field, value]) => {
        return `${quote(fieldOf(model, field).column)} = $${values.push(plain(model, field, value))}`;
      });
      if (model.fields.has('updatedAt') && !('updatedAt' in data))
        set.push(`${quote(fieldOf(model, 'updatedAt').column)} = current_timestamp`);
      const table = quote(model.table);
      const conditions = whereOf(model, where, values);
      // By the key, which an index finds under the policies; a row's place (ctid) it would not.
      const some = (most: number): string => {
        const key = columnOf(model, model.keyField);
        return ` and ${key} = any(array(select ${key} from ${table} where ${conditions} limit $${values.push(most)}))`;
      };
      const limited = atMost === undefined ? '' : some(atMost);
      return changed(`update ${table} set ${set.join(', ')} where ${conditions}${limited}`, values);
    },
    async delete(model, filter) {
      const values: unknown[] = [];
      const { where } = force(model, 'deleteMany', { where: filter });
      return changed(`delete from ${quote(model.table)} where ${whereOf(model, where, values)}`, values);
    },
    count: (model, where, search) => countRows({ query: run }, model, force(model, 'count', { where, search })),
    rows: (model, query) => readRows({ query: run }, model, force(model, 'findMany', { ...query })),
    async ids(model, field, filter) {
      const values: unknown[] = [];
      const { where } = force(model, 'groupBy', { by: [field], where: filter });
      const text = `select ${pack(columnOf(model, field))} from ${quote(model.table)} where ${whereOf(model, where, values)}`;
      const { rows } = await run({ text, values, isPlannedAnew: namesMany(filter) });
      return Ids.unpack(rows[0]);
    },
    async idsBy(model, parent, field, filter, atMost) {
      const values: unknown[] = [];
      const { where } = force(model, 'groupBy', { by: [parent, field], where: filter });
      const found =
        `select ${columnOf(model, parent)} as parent, ${columnOf(model, field)} as value from ${quote(model.table)} ` +
        `where ${whereOf(model, where, values)} limit $${values.push(atMost + 1)}`;
      const text = `select parent, ${pack('value', ' order by value')} from (${found}) as found group by parent`;
      const { rows } = await run({ text, values, isPlannedAnew: true });
      const byParent = new Map(
        rows.map((row: PackedIds & { parent: string }): [string, Ids] => [row.parent, Ids.unpack(row)]),
      );
      const total = [...byParent.values()].reduce((sum, { size }) => sum + size, 0);
      return total > atMost ? null : byParent;
    },
  };
}

/** The organization is said once, for all of them; each column of the rest is one list. */
function insertStatement(model: Model, rows: readonly AnyRow[], fields: readonly string[]): [string, unknown[]] {
  const orgId = rows[0]?.[model.orgField];
  if (!orgId) throw new UnscopedStatementError(`many of ${model.name} were about to be made in no organization`);
  const given = fields.filter((field) => field !== model.orgField);
  const columns = [model.orgField, ...given].map((field) => quote(fieldOf(model, field).column));
  const lists = given.map((field, index) => `$${index + 2}::${TYPES[fieldOf(model, field).type] ?? 'text'}[]`);
  const values = given.map((field) => rows.map((row) => listed(model, field, row[field])));
  for (const row of rows) {
    const { length } = Object.keys(row);
    if (length !== fields.length || fields.some((field) => !(field in row)) || row[model.orgField] !== orgId) {
      throw new Error('rows that are made together have the same fields');
    }
  }
  const text =
    `insert into ${quote(model.table)} (${columns.join(', ')}) ` +
    `select $1, given.* from unnest(${lists.join(', ')}) as given`;
  return [text, [orgId, ...values]];
}

const TYPES: Readonly<Record<string, string>> = {
  String: 'text',
  Int: 'int',
  BigInt: 'bigint',
  Boolean: 'boolean',
  DateTime: 'timestamptz',
  Json: 'jsonb',
};

function fieldOf(model: Model, name: string): { column: string; type: string } {
  return model.fields.get(name) ?? fail(`${model.name} has no field ${name}`);
}

/** A value that a list can hold: PostgreSQL would take a list of lists apart. */
function listed(model: Model, field: string, value: unknown): unknown {
  if (fieldOf(model, field).type === 'Json') return value == null ? null : JSON.stringify(value);
  if (Array.isArray(value) || !TYPES[fieldOf(model, field).type]) fail(`${model.name}.${field} is made one by one`);
  return value;
}

/** A value as it is: `{ increment }` is for single rows. */
function plain(model: Model, field: string, value: unknown): unknown {
  if (fieldOf(model, field).type === 'Json') fail(`${model.name}.${field} is changed one by one`);
  const isPlain = typeof value !== 'object' || value === null || value instanceof Date || Array.isArray(value);
  return isPlain ? value : fail(`${model.name}.${field} takes a value only`);
}

function fail(reason: string): never {
  throw new Error(reason);
}
