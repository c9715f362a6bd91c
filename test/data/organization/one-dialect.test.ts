import { beforeAll, expect, test } from '@jest/globals';
import { idPrefix, newId } from '../../../src/data/id.js';
import { type Model, propertyOf, READ_ONLY_MODELS, readModels } from '../../../src/data/organization/models.js';
import type { OrganizationDb, RequestDb } from '../../../src/data/organization/organization-db.js';
import { createPrisma } from '../../../src/data/organization/scope.js';
import type { Filter, Table } from '../../../src/data/organization/table.js';
import type { AnyRow } from '../../../src/data/organization/models.js';
import { OrgateError } from '../../../src/errors.js';
import { givenEverything } from '../../support/given-everything.js';
import { type GivenOrganization, givenOrganization, unique } from '../../support/given.js';
import { useServer } from '../../support/server.js';
import { byTest } from '../../support/act.js';

/**
 * Outside a transaction most statements are our own, inside they are Prisma's. Random operations are asked both ways, of
 * the same rows: what they answer, what they refuse and what they leave behind is the same, field by field.
 */
const server = useServer();

type AnyTable = Table<AnyRow, AnyRow>;
const tableOf = (db: OrganizationDb, name: string) => (db as unknown as Record<string, AnyTable>)[name] as AnyTable;

const SEEDS = [1, 2, 3, 4, 5, 6];
const OPERATIONS = 80;

let organization: GivenOrganization;
let db: RequestDb;
let subjects: readonly Subject[];

type Order = Readonly<Record<string, 'asc' | 'desc'>>;
const inOrder = (fields: readonly string[]): Order => Object.fromEntries(fields.map((field) => [field, 'asc']));
const isOrdered = ({ fields }: Model, field: string): boolean => fields.get(field)?.type !== 'Json';

/** A model, with rows of it to take values from. */
interface Subject {
  readonly name: string;
  readonly model: Model;
  readonly key: string;
  readonly fields: readonly string[];
  readonly nullable: ReadonlySet<string>;
  readonly lists: ReadonlySet<string>;
  /** In which no two rows are alike. */
  readonly wholeOrder: Order;
  readonly rows: readonly AnyRow[];
}

beforeAll(async () => {
  organization = await givenOrganization(server);
  await givenEverything(server, organization);
  db = server.database.organizationDb(organization.id, byTest);
  await givenVariety();
  const models = readModels(createPrisma(server.database.pool));
  const { rows: columns } = await server.database.pool.queryAsLoginRole(
    `select table_name || '.' || column_name as name, is_nullable = 'YES' as nullable, data_type = 'ARRAY' as list
       from information_schema.columns`,
  );
  const named = (of: 'nullable' | 'list') => new Set(columns.filter((column) => column[of]).map(({ name }) => name));
  const [nullable, lists] = [named('nullable'), named('list')];
  subjects = await Promise.all(
    [...models.values()].filter(isWritten).map(async (model) => {
      const name = propertyOf(model.name);
      const fields = [...model.fields.keys()].filter((field) => field !== 'orgId');
      // A few tables have no key of one field.
      const key = fields.includes(model.keyField) ? model.keyField : (fields[0] as string);
      const wholeOrder = inOrder([key, ...fields.filter((field) => field !== key && isOrdered(model, field))]);
      const rows = await tableOf(db, name).list({ orderBy: wholeOrder, take: 50 });
      const those = (columnNames: ReadonlySet<unknown>) =>
        new Set(fields.filter((field) => columnNames.has(`${model.table}.${model.fields.get(field)?.column}`)));
      return { name, model, key, fields, nullable: those(nullable), lists: those(lists), wholeOrder, rows };
    }),
  );
});

const isWritten = ({ name }: Model): boolean => !READ_ONLY_MODELS.some((each) => each === name);

async function givenVariety(): Promise<void> {
  const { agentId, repositoryId } = organization;
  const createdById = (await db.membership.list({ orderBy: { userId: 'asc' }, take: 1 }))[0]?.userId as string;
  for (const [index, status] of (['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'QUEUED'] as const).entries()) {
    const at = new Date(Date.UTC(2026, 10, index + 1, 1, 2, 3, index * 111));
    const rest = { error: index === 3 ? 'it failed' : null, startedAt: index === 0 ? null : at, createdAt: at };
    await db.run.create({
      ...rest,
      id: newId('run'),
      agentId,
      repositoryId,
      createdById,
      status,
      totalTokens: 2n ** 40n * BigInt(index),
    });
    const gitUrl = 'https://git.example/ünïcode';
    await db.repository.create({ id: newId('rep'), name: unique('r'), gitUrl, description: index > 2 ? 'same' : '' });
  }
  await db.organization.update({}, { featureFlags: { beta: true }, allowedDomains: ['a.example', 'b"c\\d'] });
}

/** Numbers that a seed decides on (mulberry32). */
class Dice {
  constructor(private state: number) {}

  below(limit: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  some<T>(list: readonly T[], most: number): T[] {
    return Array.from({ length: this.below(most + 1) }, () => this.one(list));
  }
}

const STRANGERS: Readonly<Record<string, readonly unknown[]>> = {
  String: ['', 'zzz', 'Ünï"\\', 'x'.repeat(5000)],
  Int: [0, 7, -1, 2 ** 31],
  BigInt: [0n, 2n ** 41n, -1n],
  Boolean: [true, false],
  DateTime: [new Date(0), new Date(Date.UTC(2026, 10, 3))],
  Json: [{}, [null], 'text', 0],
};

const typeOf = ({ model }: Subject, field: string): string => model.fields.get(field)?.type ?? 'String';

/** A value that some row has, or none does. */
function valueOf(subject: Subject, field: string, dice: Dice): unknown {
  const known = subject.rows.map((row) => row[field]);
  const others = subject.lists.has(field) ? [[], ['a.example']] : (STRANGERS[typeOf(subject, field)] ?? []);
  const mayBeNull = subject.nullable.has(field) && dice.below(4) === 0;
  return mayBeNull ? null : dice.below(4) > 0 && known.length > 0 ? dice.one(known) : dice.one(others);
}

/** What the types offer for a field, and now and then what they do not. */
function conditionOf(subject: Subject, field: string, dice: Dice): unknown {
  const value = () => valueOf(subject, field, dice);
  if (subject.lists.has(field)) return dice.below(4) === 0 ? value() : { equals: value() };
  const several = () => Array.from({ length: dice.one([0, 1, 3, 7, 150]) }, value);
  const kinds: readonly (() => unknown)[] = [
    value,
    value,
    () => ({ equals: value() }),
    () => ({ in: several() }),
    () => ({ in: several().filter((each) => each !== null) }),
    () => ({ not: value() }),
    () => ({ gt: value() }),
    () => ({ gte: value(), lt: value() }),
    () => ({ lte: value() }),
    () => dice.one([undefined, {}, { contains: 'x' }, { in: 'x' }, []]),
  ];
  return dice.one(kinds)();
}

const filterOf = (subject: Subject, dice: Dice): Filter<AnyRow> =>
  Object.fromEntries(
    dice
      .some(dice.below(25) === 0 ? [...subject.model.fields.keys()] : subject.fields, 2)
      .map((field) => [field, conditionOf(subject, field, dice)]),
  );

/** One row at the most, so that it is clear which. */
const oneOf = (subject: Subject, dice: Dice): Filter<AnyRow> => ({
  ...(dice.below(2) === 0 && filterOf(subject, dice)),
  [subject.key]: valueOf(subject, subject.key, dice),
});

/** By one key or several; those at the end tell all rows apart. */
const orderOf = ({ fields, key, model, wholeOrder }: Subject, dice: Dice): Order => {
  const first = dice.some(
    fields.filter((field) => field !== key && isOrdered(model, field)),
    2,
  );
  const way = () => dice.one(['asc', 'desc'] as const);
  const rest = key === model.keyField ? { [key]: way() } : wholeOrder;
  return { ...Object.fromEntries(first.map((field) => [field, way()])), ...rest };
};

/** What refers to these is checked when a transaction ends, and ours is undone; or by the doctor, who looks at what is left. */
const ENDS = new Set(['address.name', 'address.givenUpAt', 'organization.slug', 'organizationDomain.heldName']);

const changesOf = (subject: Subject, dice: Dice): AnyRow => {
  const fields = dice.some(
    subject.fields.filter((f) => !ENDS.has(`${subject.name}.${f}`) && (f !== 'id' || dice.below(10) === 0)),
    3,
  );
  const changes = Object.fromEntries(fields.map((field) => [field, valueOf(subject, field, dice)]));
  // Given, so that no two clocks are compared.
  return { ...changes, ...(subject.model.fields.has('updatedAt') && { updatedAt: AT }) };
};

const AT = new Date(Date.UTC(2027, 0, 1, 1, 2, 3, 456));

/** A row like one that is there, with a key of its own most of the time. */
function rowOf(subject: Subject, dice: Dice): AnyRow {
  const { model, key, rows } = subject;
  const like = rows.length > 0 ? dice.one(rows) : {};
  const prefix = idPrefix(`${like[key] as string}`) ?? 'xyz';
  const fresh = dice.below(8) > 0 && { [key]: newId(prefix) };
  const name = 'name' in like && key !== 'name' && dice.below(4) > 0 && { name: unique('n') };
  const times = Object.fromEntries(['createdAt', 'updatedAt'].filter((f) => model.fields.has(f)).map((f) => [f, AT]));
  return { ...like, ...fresh, ...name, ...(dice.below(3) === 0 && changesOf(subject, dice)), ...times };
}

interface Operation {
  readonly told: unknown;
  readonly run: (table: AnyTable) => Promise<unknown>;
}

const KINDS: readonly ((subject: Subject, dice: Dice) => Operation)[] = [
  (subject, dice) => {
    const where = oneOf(subject, dice);
    return { told: { find: where }, run: (table) => table.find(where) };
  },
  (subject, dice) => {
    const where = oneOf(subject, dice);
    return { told: { get: where }, run: (table) => table.get(where) };
  },
  (subject, dice) => {
    const keys = [1, 2, 3].map(() => String(valueOf(subject, subject.key, dice)));
    return { told: { load: keys }, run: (table) => Promise.all(keys.map((key) => table.load(key))) };
  },
  listing,
  listing,
  listing,
  (subject, dice) => {
    const where = filterOf(subject, dice);
    return { told: { count: where }, run: (table) => table.count(where) };
  },
  (subject, dice) => {
    const parent = dice.one(subject.fields.filter((field) => field.endsWith('Id') || field === subject.key));
    const id = String(valueOf(subject, parent, dice));
    return { told: { countFor: [parent, id] }, run: (table) => table.countFor(parent, id) };
  },
  (subject, dice) => {
    const by = dice.one(subject.fields.filter((field) => typeOf(subject, field) !== 'Json'));
    const where = filterOf(subject, dice);
    const sums = subject.fields.filter((field) => typeOf(subject, field) === 'BigInt' && dice.below(2) === 0);
    const sorted = (groups: readonly { key: unknown }[]) =>
      groups.toSorted((a, b) => (String(a.key) < String(b.key) ? -1 : 1));
    return { told: { group: by, where, sums }, run: async (table) => sorted(await table.group(by, where, sums)) };
  },
  (subject, dice) => {
    const row = rowOf(subject, dice);
    return { told: { create: row }, run: (table) => table.create(row) };
  },
  (subject, dice) => {
    const rows = dice.some([1, 2, 3], 3).map(() => rowOf(subject, dice));
    return { told: { createMany: rows }, run: (table) => table.createMany(rows) };
  },
  (subject, dice) => {
    const [where, data] = [oneOf(subject, dice), changesOf(subject, dice)];
    return { told: { update: where, data }, run: (table) => table.update(where, data) };
  },
  (subject, dice) => {
    const [where, data] = [filterOf(subject, dice), changesOf(subject, dice)];
    return { told: { updateMany: where, data }, run: (table) => table.updateMany(where, data) };
  },
  (subject, dice) => {
    const where = { ...oneOf(subject, dice), ...(subject.name === 'address' && { name: 'zzz' }) };
    return { told: { delete: where }, run: (table) => table.delete(where) };
  },
];

function listing(subject: Subject, dice: Dice): Operation {
  const query = {
    where: filterOf(subject, dice),
    orderBy: orderOf(subject, dice),
    take: dice.one([0, 1, 3, 20, 100, 500, ...(dice.below(10) === 0 ? [-1, 1.5] : [])]),
    ...(dice.below(3) === 0 && { skip: dice.below(4) }),
  };
  return { told: { list: query }, run: (table) => table.list(query) };
}

type Outcome = { answer: unknown; left: unknown } | { refused: unknown };

/** What comes of it, and what the table holds then. */
async function outcome(of: OrganizationDb, subject: Subject, run: Operation['run']): Promise<Outcome> {
  const table = tableOf(of, subject.name);
  try {
    const answer = await run(table);
    const left = await table.list({ orderBy: subject.wholeOrder, take: 100 });
    return { answer, left };
  } catch (error) {
    return { refused: told(error) };
  }
}

/** As whoever asked is told: what is in no vocabulary is one and the same to them. */
function told(error: unknown): unknown {
  if (error instanceof OrgateError)
    return { code: error.code, message: error.message, detail: error.detail, taken: error.taken };
  const { name, message } = error as Error;
  return name === 'ForbiddenOperationError' ? { name, message } : 'INTERNAL_SERVER_ERROR';
}

class Undone extends Error {}

async function inTransaction(subject: Subject, run: Operation['run']): Promise<Outcome> {
  let inside: Outcome | undefined;
  const work = db.transaction(async (tx) => {
    inside = await outcome(tx, subject, run);
    throw new Undone();
  });
  await expect(work).rejects.toThrow(Undone);
  return inside as Outcome;
}

test.each(SEEDS)('random operations are alike inside a transaction and outside: seed %i', async (seed) => {
  const dice = new Dice(seed);
  let answered = 0;
  for (let index = 0; index < OPERATIONS; index += 1) {
    const subject = dice.one(subjects);
    const operation = dice.one(KINDS)(subject, dice);
    const inside = await inTransaction(subject, operation.run);
    const outside = await outcome(db, subject, operation.run);
    const asked = { seed, index, model: subject.name, operation: operation.told };
    expect({ asked, outcome: outside }).toStrictEqual({ asked, outcome: inside });
    if (!('answer' in outside)) continue;
    answered += 1;
    for (const row of [outside.answer, outside.left].flat()) expect(row ?? {}).not.toHaveProperty('orgId');
  }
  // Most of it is what domains ask, and not refusals compared with refusals.
  expect(answered).toBeGreaterThan(OPERATIONS / 3);
});
