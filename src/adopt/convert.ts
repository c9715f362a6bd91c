import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ForeignRow } from '../data/start/foreign-database.js';
import { createInput as credentialInput } from '../domains/credential/credential-input.js';
import { branch, gitUrl } from '../domains/repository/index.js';
import { OrganizationRole, RunStatus } from '../generated/enums.js';
import { descriptionText, emailText, nameText } from '../resource/input.js';
import type { AdoptionMap, Kind, Source } from './map.js';
import { isColumn, valueOf } from './map.js';

/** Theirs, read and checked: what ours is made of. References are keys of theirs. */
export interface Read {
  readonly people: {
    readonly email: string;
    readonly name: string;
    readonly role: OrganizationRole;
    readonly isActive: boolean;
    readonly subject: string | null;
  };
  readonly credentials: z.output<typeof credentialInput>;
  readonly repositories: {
    readonly name: string;
    readonly gitUrl: string;
    readonly branch: string;
    readonly description: string;
    readonly credential: string | null;
  };
  readonly agents: { readonly name: string; readonly description: string; readonly repository: string };
  readonly runs: {
    readonly status: RunStatus;
    readonly agent: string | null;
    readonly createdBy: string | null;
    readonly input: unknown;
    readonly output: unknown;
    readonly error: string | null;
    readonly totalTokens: bigint;
    readonly totalCostMicros: bigint;
    readonly startedAt: Date | null;
    readonly finishedAt: Date | null;
  };
}

/** One of theirs, by its key there, and when it was made where the map says so. */
export type ReadRow<K extends Kind> = Read[K] & { readonly key: string; readonly createdAt: Date | null };

const ROLES: Readonly<Record<string, OrganizationRole>> = {
  ...OrganizationRole,
  OPERATOR: 'DEVELOPER',
  MEMBER: 'DEVELOPER',
};
const roleText = z
  .string('Must not be null.')
  .transform((role) => ROLES[role.trim().toUpperCase()])
  .refine(
    (role) => role !== undefined,
    'No role: OWNER, ADMIN, DEVELOPER, VIEWER, operator or member; `values` says what others are.',
  )
  .transform((role) => role as OrganizationRole);
const trueText = z
  .enum(
    { t: 't', true: 'true', f: 'f', false: 'false', ACTIVE: 'ACTIVE', active: 'active' },
    'Neither true nor false; `values` says which is.',
  )
  .transform((word) => !word.startsWith('f'));
const reference = z
  .string()
  .nullish()
  .transform((key) => key ?? null);
const instant = z
  .date('No instant.')
  .nullish()
  .transform((at) => at ?? null);
const json = z.unknown().refine((value) => JSON.stringify(value ?? null).length <= 65_536, 'At most 64 KiB as JSON.');
/** A run that waits to be allowed has an approval here, and moves in with none. */
const { AWAITING_APPROVAL: _, ...ADOPTED_STATUS } = RunStatus;
const MOST = 2n ** 53n - 1n;
const count = z
  .string()
  .regex(/^\d+$/, 'No whole number from 0 on.')
  .transform(BigInt)
  .refine((number) => number <= MOST, 'More than 2^53 - 1.');

/** Millionths of what is written in units that are so many of them, exactly; what is smaller is rounded. */
const money = (digits: number) =>
  z
    .string()
    .regex(/^\d+(\.\d+)?$/, 'No amount from 0 on.')
    .transform((text) => {
      const [whole = '', fraction = ''] = text.split('.');
      const scaled = BigInt(`${whole}${fraction.slice(0, digits).padEnd(digits, '0')}`);
      return (fraction[digits] ?? '0') >= '5' ? scaled + 1n : scaled;
    })
    .refine((micros) => micros <= MOST, 'More than 2^53 - 1 millionths.');

const SHAPES: { readonly [K in Kind]: z.ZodType } = {
  people: z.object({
    email: emailText,
    name: nameText.nullish(),
    role: roleText.nullish(),
    active: trueText.nullish(),
    subject: reference,
  }),
  credentials: credentialInput,
  repositories: z.object({
    name: nameText,
    gitUrl,
    branch: branch.nullish(),
    description: descriptionText,
    credential: reference,
  }),
  agents: z.object({ name: nameText, description: descriptionText, repository: z.string('Must not be null.') }),
  runs: z.object({
    status: z
      .string('Must not be null.')
      .transform((status) => status.trim().toUpperCase())
      .pipe(
        z.enum(
          ADOPTED_STATUS,
          'No status of a run: QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED; `values` says what others are.',
        ),
      ),
    agent: reference,
    createdBy: reference,
    input: json,
    output: json,
    error: z.string().max(10_000, 'At most 10,000 characters.').nullish(),
    totalTokens: count.nullish(),
    totalCost: money(6).nullish(),
    totalCostCents: money(4).nullish(),
    totalCostMicros: count.nullish(),
    startedAt: instant,
    finishedAt: instant,
  }),
};

/** Reads a row by the map; what does not fit is told, each by its field. */
export function convert<K extends Kind>(
  kind: K,
  part: NonNullable<AdoptionMap[K]>,
  row: ForeignRow,
  tell: (field: string, message: string) => void,
): ReadRow<K> | null {
  const { createdAt = null, ...given } = Object.fromEntries(
    Object.entries(part as unknown as Readonly<Record<string, Source>>)
      .filter(([field]) => isColumn(field))
      .map(([field, each]) => [field, valueOf(each, row[field])]),
  ) as Readonly<Record<string, unknown>>;
  if (createdAt !== null && !(createdAt instanceof Date)) {
    tell('createdAt', 'No instant.');
    return null;
  }
  const parsed = SHAPES[kind].safeParse(given);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) tell(path.join('.'), message);
    return null;
  }
  return { ...completed(kind, parsed.data as never), key: String(row['key']), createdAt } as unknown as ReadRow<K>;
}

interface Parsed {
  readonly people: {
    email: string;
    name?: string | null;
    role?: OrganizationRole | null;
    active?: boolean | null;
    subject: string | null;
  };
  readonly runs: Omit<Read['runs'], 'totalTokens' | 'totalCostMicros' | 'error'> & {
    error?: string | null;
    totalTokens?: bigint | null;
    totalCost?: bigint | null;
    totalCostCents?: bigint | null;
    totalCostMicros?: bigint | null;
  };
}

/** What a row has that the map, or theirs, says nothing of. */
function completed(kind: Kind, row: never): object {
  if (kind === 'people') {
    const { email, name, role, active, subject }: Parsed['people'] = row;
    return {
      email,
      name: name ?? email.split('@')[0] ?? email,
      role: role ?? 'VIEWER',
      isActive: active ?? true,
      subject,
    } satisfies Read['people'];
  }
  if (kind === 'repositories') {
    const {
      branch: on,
      description,
      ...rest
    } = row as Omit<Read['repositories'], 'branch'> & { branch?: string | null };
    return { ...rest, branch: on ?? 'main', description: description ?? '' };
  }
  if (kind === 'agents') {
    const { description, ...rest } = row as Read['agents'];
    return { ...rest, description: description ?? '' };
  }
  if (kind === 'runs') {
    const { totalTokens, totalCost, totalCostCents, totalCostMicros, error, input, output, ...rest }: Parsed['runs'] =
      row;
    return {
      ...rest,
      error: error ?? null,
      input: input ?? null,
      output: output ?? null,
      totalTokens: totalTokens ?? 0n,
      totalCostMicros: totalCostMicros ?? totalCost ?? totalCostCents ?? 0n,
    } satisfies Read['runs'];
  }
  return row;
}

/**
 * The id that something of theirs has here: the same however often it is asked for, so that what was moved is not moved again; and, but
 * of persons, told by when it was made, as ids here are.
 */
export function idOf(prefix: string, from: string, table: string, key: string, createdAt: Date | null): string {
  const bytes = createHash('sha256')
    .update(JSON.stringify(['orgate adopt', from, table, key]))
    .digest()
    .subarray(0, 16);
  if (prefix !== 'usr') bytes.writeUIntBE(Math.max(createdAt?.getTime() ?? 0, 0), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (prefix === 'usr' ? 0x40 : 0x70), 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return `${prefix}_${BigInt(`0x${bytes.toString('hex')}`)
    .toString(32)
    .padStart(26, '0')}`;
}
