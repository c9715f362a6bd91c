import { Prisma, type PrismaClient } from '../../generated/prisma/client.js';

/** Models that belong to no single organization, each with its reason. Every other model is org-owned. */
export const GLOBAL_MODELS = {
  Person: 'a human being exists once, whatever organizations they belong to',
  Identity: 'says which person a token speaks for, before any organization is known',
  SignInAttempt: 'someone who is signing in is nobody yet, in no organization',
  SamlAssertionSeen: 'an assertion is refused a second time before it says who is asking',
  KnownHost: 'at which hosts a person signs in is theirs alone; of the organization there is a hash',
  Session: 'a person signs in once, and then acts in any of their organizations',
  RefreshToken: 'renews a session, before any organization is known',
  SigningKey: 'signs for the whole deployment',
  Executor: 'works on the runs of whichever organization lets it, and belongs to none',
  Account: 'has several organizations, and is in none',
  AccountAdministrator: 'sees how those stand, and is a member of none by that',
  OrganizationSet: 'holds several organizations together, and is none of them',
  OrganizationElsewhere: 'is the name of an organization that is homed in another region',
  OwedWork: 'is owed by the deployment, whatever becomes of the organization that it is about',
} as const;

/** Columns that may be large, by model. Rows come without them; who asks for one has it loaded for all rows at once. */
export const READ_APART = {
  Run: ['input', 'output', 'error'],
} as const satisfies Partial<Record<Prisma.ModelName, readonly string[]>>;

/** The fields that rows of a model come without. */
export type ReadApart<M> = M extends keyof typeof READ_APART ? (typeof READ_APART)[M][number] : never;

/** What rows of a model come without, by name. */
export const apartOf = (model: string): readonly string[] => new Map(Object.entries(READ_APART)).get(model) ?? [];

/** Where a client has a model: `run`, of Run. */
export const propertyOf = (model: string): string => model.charAt(0).toLowerCase() + model.slice(1);

export type OwnedModelName = Exclude<Prisma.ModelName, keyof typeof GLOBAL_MODELS>;
export const OWNED_MODELS: readonly OwnedModelName[] = Object.values(Prisma.ModelName).filter(
  (name): name is OwnedModelName => !(name in GLOBAL_MODELS),
);

/** Models that the database writes by itself, or the sealer: an organization only reads them. */
export const READ_ONLY_MODELS = ['AuditEntry', 'AuditSeal', 'UsageAlert'] as const satisfies readonly OwnedModelName[];

const KEY_FIELDS = {
  Membership: 'userId',
  Address: 'name',
  InvitationSecret: 'hash',
} as const satisfies Partial<Record<Prisma.ModelName, string>>;

/** Models that one field tells rows apart of. Of the others nothing is loaded by a key. */
export type KeyedModelName =
  | keyof typeof KEY_FIELDS
  | {
      [M in OwnedModelName]: 'id' extends keyof Prisma.TypeMap['model'][M]['payload']['scalars'] ? M : never;
    }[OwnedModelName];

/** What the connection to the database needs to know of a model. */
export interface Model {
  readonly name: string;
  readonly table: string;
  /** The field that holds the organization: `orgId`, or `id` of the organization itself. */
  readonly orgField: string;
  /** The rest of the primary key: `id`, of a membership the person's id, of an address its name. */
  readonly keyField: string;
  /** Scalar fields by name; relations are not among them, and so cannot be reached. */
  readonly fields: ReadonlyMap<string, { column: string; type: string }>;
  /** What a row is read as: `"git_url" as "gitUrl"` and so on, but what is read apart. Whose it is goes without saying. */
  readonly selected: string;
}

/** The org-owned models, by name. */
export type Models = ReadonlyMap<string, Model>;

interface RuntimeDataModel {
  models: Record<
    string,
    {
      dbName?: string;
      fields: { name: string; kind: string; type: string; dbName?: string }[];
    }
  >;
}

/**
 * Reads the org-owned models out of the generated client.
 *
 * @throws when a model is neither org-owned nor on the list of global ones, or is on it in vain
 */
export function readModels(client: PrismaClient): Models {
  const { models } = (client as unknown as { _runtimeDataModel: RuntimeDataModel })._runtimeDataModel;
  const stale = Object.keys(GLOBAL_MODELS).filter((name) => !(name in models));
  if (stale.length > 0) throw new Error(`GLOBAL_MODELS names ${stale.join(', ')}, which schema.prisma does not have`);
  const keyFields = new Map<string, string>(Object.entries(KEY_FIELDS));
  const owned = new Map<string, Model>();
  for (const [name, { dbName, fields }] of Object.entries(models)) {
    if (name in GLOBAL_MODELS) continue;
    const orgField = name === 'Organization' ? 'id' : 'orgId';
    const scalars = fields.filter((field) => field.kind === 'scalar');
    if (!scalars.some((field) => field.name === orgField)) {
      throw new Error(
        `model ${name} has no orgId: give it one, or name it in GLOBAL_MODELS (src/data/organization/models.ts) with the reason`,
      );
    }
    const shown = scalars.filter((field) => field.name !== 'orgId' && !apartOf(name).includes(field.name));
    owned.set(name, {
      name,
      table: dbName ?? name,
      orgField,
      keyField: keyFields.get(name) ?? 'id',
      fields: new Map(scalars.map((f) => [f.name, { column: f.dbName ?? f.name, type: f.type }])),
      selected: shown.map((f) => `"${f.dbName ?? f.name}" as "${f.name}"`).join(', '),
    });
  }
  return owned;
}

/** A row of whatever model, below the types. */
export type AnyRow = Record<string, unknown>;
