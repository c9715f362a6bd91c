import { z } from 'zod';
import type { ForeignColumn, ReadAs } from '../data/start/foreign-database.js';

/** A column by its name, one whose values are ours by other names, or the same of every row. */
const source = z.union([
  z.string().min(1),
  z.strictObject({
    column: z.string().min(1),
    values: z.record(z.string(), z.string()).optional(),
    otherwise: z.string().optional(),
  }),
  z.strictObject({ value: z.string() }),
]);
export type Source = z.output<typeof source>;

const table = { table: z.string().min(1), id: z.string().min(1), createdAt: source.optional() };

const adoptionMap = z.strictObject({
  organization: z.strictObject({
    name: z.string(),
    slug: z.string(),
    description: z.string().optional(),
    owner: z.string(),
  }),
  people: z.strictObject({
    ...table,
    email: source,
    name: source.optional(),
    role: source.optional(),
    active: source.optional(),
    subject: source.optional(),
    /** Of the subjects: one of AUTH_ISSUERS. */
    issuer: z.string().min(1).optional(),
  }),
  credentials: z.strictObject({ ...table, name: source, kind: source, provider: source, secret: source }).optional(),
  repositories: z
    .strictObject({
      ...table,
      name: source,
      gitUrl: source,
      branch: source.optional(),
      description: source.optional(),
      credential: source.optional(),
    })
    .optional(),
  agents: z.strictObject({ ...table, name: source, repository: source, description: source.optional() }).optional(),
  runs: z
    .strictObject({
      ...table,
      status: source,
      agent: source.optional(),
      createdBy: source.optional(),
      input: source.optional(),
      output: source.optional(),
      error: source.optional(),
      totalTokens: source.optional(),
      totalCost: source.optional(),
      totalCostCents: source.optional(),
      totalCostMicros: source.optional(),
      startedAt: source.optional(),
      finishedAt: source.optional(),
    })
    .optional(),
});

/** Which of their tables and columns become which of ours. */
export type AdoptionMap = z.output<typeof adoptionMap>;
export const KINDS = ['people', 'credentials', 'repositories', 'agents', 'runs'] as const;
export type Kind = (typeof KINDS)[number];

/** What is not as it has to be, in words for whoever moves. */
export class AdoptionError extends Error {
  override readonly name = 'AdoptionError';
}

/** @throws AdoptionError that says where in the map */
export function parseMap(text: string): AdoptionMap {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AdoptionError('The map is not JSON.');
  }
  const parsed = adoptionMap.safeParse(value);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => `  ${path.join('.') || 'the whole'}: ${message}`);
  throw new AdoptionError(['The map is not as docs/adopt.md says:', ...lines].join('\n'));
}

const INSTANTS = new Set(['createdAt', 'startedAt', 'finishedAt']);
const JSONS = new Set(['input', 'output']);
const asOf = (field: string): ReadAs => (INSTANTS.has(field) ? 'instant' : JSONS.has(field) ? 'json' : 'text');

/** Whether a field of a part of the map is a column that is kept: where its rows are, and what tells them apart, is none. */
export const isColumn = (field: string): boolean => !['table', 'id', 'issuer'].includes(field);

/** What is read of a table: every column that its part of the map names. */
export function columnsRead(part: Readonly<Record<string, unknown>>): ForeignColumn[] {
  return Object.entries(part).flatMap(([field, each]) => {
    if (!isColumn(field)) return [];
    const column = columnOf(each as Source);
    return column === null ? [] : [{ field, column, as: asOf(field) }];
  });
}

const columnOf = (each: Source): string | null =>
  typeof each === 'string' ? each : 'column' in each ? each.column : null;

/** What a field is in a row; undefined where the map says nothing of it. */
export function valueOf(each: Source | undefined, found: unknown): unknown {
  if (each === undefined) return undefined;
  if (typeof each === 'string') return found ?? null;
  if ('value' in each) return each.value;
  if (found == null) return each.otherwise ?? null;
  const { values, otherwise } = each;
  if (values === undefined) return found;
  if (typeof found === 'string' && Object.hasOwn(values, found)) return values[found];
  return otherwise ?? found;
}
