import { PrismaPg } from '@prisma/adapter-pg';
import type pg from 'pg';
import { Prisma, PrismaClient } from '../../generated/prisma/client.js';
import type { Act } from '../connection/act.js';
import { inFrame, type ScopedPool, UnscopedStatementError } from '../connection/org-connection.js';
import type { Frame } from '../connection/frame.js';
import type { OrgId } from '../id.js';
import { Ids } from './ids.js';
import { apartOf, GLOBAL_MODELS, type Model, type Models, propertyOf } from './models.js';
import { asLiteral, type Search } from './search.js';

/** A call that leads, or could lead, out of the organization; refused before any SQL. */
export class ForbiddenOperationError extends Error {
  override readonly name = 'ForbiddenOperationError';
}

/** What the organization's client may ask of Prisma, and with which arguments. Whatever is not here is refused. */
const OPERATIONS: Readonly<Record<string, readonly string[]>> = {
  findMany: ['where', 'search', 'orderBy', 'take', 'skip'],
  count: ['where', 'search'],
  groupBy: ['by', 'where', 'search', '_count', '_sum'],
  create: ['data'],
  updateManyAndReturn: ['where', 'data'],
  deleteMany: ['where'],
};

const EQUAL = new Set(['equals', 'not']);
const FILTERS = new Set(['equals', 'in', 'not', 'lt', 'lte', 'gt', 'gte']);
/** What is compared with many ids; of statements of our own, as Prisma knows none. */
const ID_FILTERS = new Set(['in', 'notIn']);

type Args = Readonly<Record<string, unknown>>;

const isArgs = (value: unknown): value is Args => typeof value === 'object' && value !== null;

/** Rows come as statements of our own read them: without the organization, and without what is read apart. */
const OMITTED = Object.fromEntries(
  Object.values(Prisma.ModelName)
    .filter((name) => !(name in GLOBAL_MODELS))
    .map((name) => [
      propertyOf(name),
      Object.fromEntries(
        [...(name === 'Organization' ? [] : ['orgId']), ...apartOf(name)].map((field) => [field, true]),
      ),
    ]),
);

export const createPrisma = (pool: ScopedPool): PrismaClient =>
  new PrismaClient({
    adapter: new PrismaPg(pool as unknown as pg.Pool),
    errorFormat: 'minimal',
    omit: OMITTED,
  });

/** @throws UnscopedStatementError when there is no organization */
export function frameOf(orgId: OrgId, act?: Act): Frame {
  if (typeof orgId !== 'string' || orgId === '') throw new UnscopedStatementError('the organization is empty');
  return { role: 'orgate_app', orgId, ...(act && { act }) };
}

/**
 * Wall 1. The client of one organization: the organization is fixed here, by closure, and forced into every operation;
 * the frame is opened around each, so neither laziness nor the caller's own frame can change it.
 */
export function scopeToOrganization(prisma: PrismaClient, models: Models, orgId: OrgId) {
  const frame = frameOf(orgId);
  return prisma.$extends({
    query: {
      $allOperations({ model: name, operation, args, query }) {
        const model = name && models.get(name);
        if (!model) refuse(`${name ?? 'the client'} has no ${operation} inside an organization`);
        const scopedArgs = forceOrganization(model, operation, argsOf(args), orgId);
        return inFrame(frame, () => query(asPrismaHasIt(scopedArgs) as typeof args));
      },
    },
  });
}

/** Prisma has no `search`: there it is one more condition beside the organization, and so never widens what it lets through. */
function asPrismaHasIt({ search, ...args }: Forced): Args {
  if (!search) return args;
  const { text, in: fields, lowered = [] } = search;
  const conditions = fields.map((field) => ({
    [field]: lowered.includes(field)
      ? { contains: asLiteral(text.toLowerCase()) }
      : { contains: asLiteral(text), mode: 'insensitive' },
  }));
  return { ...args, where: { ...args.where, OR: conditions } };
}

export type ScopedPrisma = ReturnType<typeof scopeToOrganization>;

function refuse(reason: string): never {
  throw new ForbiddenOperationError(reason);
}

/** What is given has keys, or is not given: of anything else nobody knows what it would filter. */
function argsOf(value: unknown): Args {
  if (isArgs(value)) return value;
  return value == null ? {} : refuse(`${JSON.stringify(value)} has no keys`);
}

/** Arguments that were checked. */
export interface Forced extends Args {
  readonly where?: Args;
  readonly data?: Args;
  readonly search?: Search;
}

/** The same arguments, checked key by key, with the organization in them. */
export function forceOrganization(model: Model, operation: string, args: Args, orgId: OrgId): Forced {
  const allowed = OPERATIONS[operation] ?? refuse(`${model.name} has no ${operation} inside an organization`);
  for (const key of Object.keys(args)) {
    if (!allowed.includes(key)) refuse(`${model.name}.${operation} takes no ${key}`);
  }
  if ('orderBy' in args) checkOrder(model, args['orderBy']);
  const search = args['search'] !== undefined && { search: checkSearch(model, args['search']) };
  if (operation === 'groupBy') for (const name of aggregatedFields(args)) checkField(model, name);
  checkSize(model, args['take']);
  checkSize(model, args['skip']);
  const where = allowed.includes('where') && {
    where: { ...checkFilter(model, args['where'], orgId), [model.orgField]: orgId },
  };
  const data = 'data' in args && { data: checkData(model, argsOf(args['data']), operation === 'create', orgId) };
  return Object.assign({}, args, where, data, search);
}

const aggregatedFields = (args: Args): string[] => [
  ...[args['by'] ?? []].flat().map(String),
  ...Object.keys(argsOf(args['_sum'])),
  ...Object.keys(argsOf(args['_count'])).filter((name) => name !== '_all'),
];

/** A scalar field other than the one that holds the organization. Relations are not fields. */
function checkField(model: Model, name: string): void {
  if (name === 'orgId' || !model.fields.has(name)) refuse(`${model.name} has no ${name} inside an organization`);
}

function checkOrder(model: Model, orderBy: unknown): void {
  const keys: readonly unknown[] = Array.isArray(orderBy) ? orderBy : [orderBy];
  for (const key of keys) {
    for (const [name, direction] of Object.entries(argsOf(key))) {
      checkField(model, name);
      if (direction !== 'asc' && direction !== 'desc') refuse(`${model.name}.${name} is ordered asc or desc`);
    }
  }
}

function checkSize(model: Model, size: unknown): void {
  if (size === undefined || (Number.isSafeInteger(size) && Number(size) >= 0)) return;
  refuse(`a list of ${model.name} has no ${JSON.stringify(size)} rows`);
}

/** Text in fields of this model's own rows, and nothing else that a filter could be made of. */
function checkSearch(model: Model, search: unknown): Search {
  if (!isSearch(search)) refuse(`${model.name} is searched for text in fields`);
  const others = Object.keys(search).filter((key) => !['text', 'in', 'lowered'].includes(key));
  if (others.length > 0) refuse(`${model.name} is searched for text in fields, and by nothing else`);
  for (const name of [...search.in, ...(search.lowered ?? [])]) {
    checkField(model, name);
    if (model.fields.get(name)?.type !== 'String') refuse(`${model.name}.${name} holds no text`);
  }
  return search;
}

/** No field at all would be no condition, and find every row. */
const isSearch = (value: unknown): value is Search =>
  isArgs(value) &&
  typeof value['text'] === 'string' &&
  value['text'] !== '' &&
  Array.isArray(value['in']) &&
  value['in'].length > 0;

function checkFilter(model: Model, where: unknown, orgId: OrgId): Args {
  const filter = argsOf(where);
  for (const [name, value] of Object.entries(filter)) {
    checkField(model, name);
    // Prisma drops an undefined filter, which would widen it to every row.
    if (value === undefined) refuse(`${model.name}.${name} is undefined`);
    // To put one's own id in the place of another would do to one's own what was asked of the other.
    if (name === model.orgField && !isOnly(orgId, value)) refuse(`${model.name}.${name} names another organization`);
    // Prisma has a null of its own for JSON, and finds nothing by the other.
    if (isJson(model, name)) refuse(`nothing is found by ${model.name}.${name}`);
    if (Array.isArray(value)) refuse(`${model.name}.${name} is found by one value, or equals a list`);
    if (isValue(value)) continue;
    const operations = Object.entries(argsOf(value));
    if (operations.length === 0) refuse(`${model.name}.${name} is compared with nothing`); // nor would that filter
    for (const [operator, operand] of operations) {
      const isKnown = FILTERS.has(operator) && (model.fields.get(name)?.type !== 'Boolean' || EQUAL.has(operator));
      const isTaken = Ids.isIds(operand) ? ID_FILTERS.has(operator) : isKnown && isOperand(operator, operand);
      if (!isTaken) refuse(`${model.name}.${name} takes no ${operator}`);
    }
  }
  return filter;
}

const isJson = (model: Model, field: string): boolean => model.fields.get(field)?.type === 'Json';

/** What an operator compares with: null where it means that there is nothing, and a list where one is asked for. */
function isOperand(operator: string, operand: unknown): boolean {
  if (operand === undefined || !isValue(operand)) return false;
  if (operator === 'in') return Array.isArray(operand) && !operand.includes(null);
  return operator === 'equals' || (!Array.isArray(operand) && (operand !== null || EQUAL.has(operator)));
}

/** The id itself, alone or as the whole of a list, as loaders ask. */
const isOnly = (orgId: OrgId, value: unknown): boolean => [orgId, `{"in":["${orgId}"]}`].includes(asText(value));

const asText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function checkData(model: Model, data: Args, creating: boolean, orgId: OrgId): Args {
  for (const [name, value] of Object.entries(data)) {
    checkField(model, name);
    if (name === model.orgField && value !== orgId) refuse(`${model.name}.${name} names another organization`);
    if (!creating && name === 'id') refuse(`${model.name}.id never changes`);
    if (isJson(model, name) && value === null) refuse(`${model.name}.${name} is left out where there is nothing`);
    // { increment } is the one object that is not a value; { connect }, { set } and nested writes are not on the list.
    const isIncrement = !creating && isArgs(value) && Object.keys(value).join() === 'increment';
    if (value !== undefined && !isValue(value) && !isJson(model, name) && !isIncrement) {
      refuse(`${model.name}.${name} takes a value only`);
    }
  }
  return creating ? { ...data, [model.orgField]: orgId } : data;
}

/** A scalar, an instant or a list of them. Every other object might mean something to Prisma. */
const isValue = (value: unknown): boolean =>
  value === null ||
  typeof value !== 'object' ||
  value instanceof Date ||
  (Array.isArray(value) && value.every((each) => each !== undefined && !Array.isArray(each) && isValue(each)));
