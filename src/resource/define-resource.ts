import { z } from 'zod';
import type { RequestContext } from '../context/context.js';
import { newId } from '../data/id.js';
import { type OwnedModelName, propertyOf } from '../data/organization/models.js';
import type { Created, Row } from '../data/organization/table.js';
import type { MutationResolvers, QueryResolvers, Resolver, Resolvers } from '../generated/graphql.js';
import { WORDS } from '../generated/words.js';
import type { Grant, Permission } from '../permissions/catalogue.js';
import { can, type Rule } from '../permissions/rules.js';
import type { Access, Domain, NodeLookup, NodeType } from './define-domain.js';
import { assertSaysFor } from './for-others.js';
import { given, parseInput } from './input.js';
import { type List, tableOf } from './list.js';
import type { Action, DomainRecord } from './record.js';
import { deleteRow, updateIfUnchanged } from './rows.js';

type Verb = 'create' | 'update' | 'delete';
/** The mutations that the contract has for a model: `createAgent`, `updateAgent`, `deleteAgent`. */
type Mutations<M extends string> = keyof MutationResolvers & `${Verb}${M}`;
/** The verbs of those. */
type Offered<M extends string, V extends string> = V extends Verb
  ? `${V}${M}` extends Mutations<M>
    ? V
    : never
  : never;
/** The fields that read it: a list, and one by its id. */
type Queries<M extends string, P extends string> = P | (keyof QueryResolvers & Uncapitalize<M>);

type ArgumentsOf<R> = NonNullable<R> extends Resolver<infer _T, infer _P, infer _C, infer A> ? A : never;
type InputOf<F extends string> =
  ArgumentsOf<MutationResolvers[F & keyof MutationResolvers]> extends { input: infer I } ? I : never;

/** How each field of an input is checked, and becomes what the column of its name holds. */
type Checks<Input, Columns> = {
  readonly [F in keyof Input]-?: F extends keyof Columns ? z.ZodType<Columns[F]> : never;
};

/** Columns that a row is not made without, and that no input has. */
type Unfilled<New, Input> = {
  [F in keyof New & string]-?: F extends 'id' | keyof Input ? never : object extends Pick<New, F> ? never : F;
}[keyof New & string];

/** What the contract lets a client give, to the field. */
interface Inputs<M extends OwnedModelName> {
  readonly create: [Unfilled<Created<M>, InputOf<`create${M}`>>] extends [never]
    ? Checks<InputOf<`create${M}`>, Created<M>>
    : `no input says ${Unfilled<Created<M>, InputOf<`create${M}`>>}: give the column a default`;
  /** Of the id and `expectedUpdatedAt` nothing is said; whatever is left out stays as it is. */
  readonly update: Checks<Omit<InputOf<`update${M}`>, 'id' | 'expectedUpdatedAt'>, Partial<Row<M>>>;
}

/** What a plain resource is: its list, input and rights. */
type Plain<M extends OwnedModelName, T, P extends keyof QueryResolvers> = {
  readonly type: T;
  /** Three letters that its ids begin with. */
  readonly prefix: string;
  /** The field that lists it. */
  readonly plural: P;
  readonly list: List<Row<M>, ArgumentsOf<QueryResolvers[P]>, unknown>;
  /** Who may read it, and do what the contract has mutations for: `agent:read`, `agent:create` and so on. */
  readonly rights: { readonly [V in 'read' | Offered<M, Verb>]: Grant };
} & { readonly [V in Offered<M, keyof Inputs<M>>]: Inputs<M>[V] };

/** What else it has, or does otherwise, is said as in any domain. */
interface More<A extends Access, R extends Resolvers, W extends DomainRecord> extends Pick<
  Domain,
  'grants' | 'jobs' | 'due' | 'owed' | 'provide'
> {
  /**
   * What whoever acts as a member may say of a row, where a grant lets them make or change one. Of all else nobody decides for somebody
   * else: it may reach further than the row, so what a later release adds begins shut.
   */
  readonly forOthers?: { readonly [V in keyof Inputs<OwnedModelName>]?: readonly string[] };
  readonly access: A;
  readonly resolvers?: R;
  readonly record?: W;
}

/** What a model is called in the record: `service_account`. */
type Kind<M extends string> = M extends `${infer First}${infer Rest}`
  ? `${Lowercase<First>}${Rest extends Uncapitalize<Rest> ? Kind<Rest> : `_${Kind<Rest>}`}`
  : M;
type ActionsOf<W> = W extends { readonly actions: infer A } ? A : object;
type LeavesOf<W> = W extends { readonly leaves: infer L } ? L : object;

type Became<M extends string, V> = `${Kind<M>}.${V extends Verb ? `${V}d` : never}`;

interface ResourceDomain<M extends string, T, P extends keyof QueryResolvers, A, R, W> extends Domain {
  readonly record: {
    readonly actions: Readonly<Record<Became<M, Verb> | `${Kind<M>}.read`, string>> & ActionsOf<W>;
    readonly leaves: { readonly [V in Verb as `${V}${M}` & Mutations<M>]: Became<M, V> } & LeavesOf<W>;
  };
  readonly access: A & {
    readonly Query: { readonly [F in Queries<M, P>]: Rule };
    readonly Mutation: { readonly [F in Mutations<M>]: Rule };
  };
  readonly resolvers: R & {
    readonly Query: Pick<QueryResolvers, Queries<M, P>>;
    readonly Mutation: Pick<MutationResolvers, Mutations<M>>;
  };
  readonly node: NodeLookup & { readonly type: T };
}

/** The same, whichever model it is of. */
interface Spec extends More<Access, Resolvers, DomainRecord> {
  readonly type: NodeType;
  readonly prefix: string;
  readonly plural: string;
  readonly list: Pick<List<PlainRow, object, unknown>, 'page'>;
  readonly rights: Readonly<Record<string, Grant>>;
  readonly create?: Readonly<Record<string, z.ZodType>>;
  readonly update?: Readonly<Record<string, z.ZodType>>;
}

interface PlainRow {
  readonly id: string;
  readonly updatedAt: Date;
}

interface MutationArgs {
  readonly id: string;
  readonly input: unknown;
}

/** `serviceAccounts` in parts, put together otherwise. */
export const spelt = (name: string, between: string): string =>
  name.replaceAll(/(?<=.)[A-Z]/g, `${between}$&`).toLowerCase();

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

const statusesOf = (model: string): string[] => {
  const columns: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    ...new Map(Object.entries(WORDS)).get(model),
  };
  return Object.keys(columns['status'] ?? {});
};

/** The words that the database has for changes of any table, and what each leaves that the contract has mutations for. */
function plainRecord(
  model: string,
  plural: string,
  verbs: readonly string[],
): Required<Pick<DomainRecord, 'actions' | 'leaves'>> {
  const kind = spelt(model, '_');
  const noun = spelt(model, ' ');
  const one = `${/^[aeiou]/.test(noun) ? 'An' : 'A'} ${noun}`;
  const became = (verb: string): Action => `${kind}.${verb}`;
  return {
    actions: {
      [became('created')]: `${one} was made.`,
      [became('updated')]: `${one} changed.`,
      ...Object.fromEntries(
        statusesOf(model).map((status) => [became(status.toLowerCase()), `${one} became ${status}.`]),
      ),
      [became('deleted')]: `${one} was deleted.`,
      [became('read')]: `${capital(spelt(plural, ' '))} were to be read.`,
    },
    leaves: Object.fromEntries(verbs.map((verb) => [`${verb}${model}`, became(`${verb}d`)])),
  };
}

/** Which row an update is for. */
const whichInput = z.object({ id: z.string(), expectedUpdatedAt: z.date().nullish() });

/**
 * Makes the domain of a plain resource: a model that is listed, read by id, made, changed unless it was changed meanwhile,
 * and deleted, each with a permission of its own. Which of these there are, and what they take, the contract says.
 */
export function defineResource<
  M extends OwnedModelName,
  T extends NodeType,
  P extends keyof QueryResolvers,
  const A extends Access,
  R extends Resolvers = object,
  const W extends DomainRecord = object,
>(model: M, spec: Plain<M, T, P> & More<A, R, W>): ResourceDomain<M, T, P, A, R, W>;
export function defineResource(model: OwnedModelName, spec: Spec): Domain {
  const {
    type,
    prefix,
    plural,
    list,
    rights,
    create = {},
    update = {},
    forOthers = {},
    grants,
    access,
    resolvers,
    record,
    ...more
  } = spec;
  const noun = propertyOf(model);
  const permission = (verb: string): Permission => `${spelt(model, '-')}:${verb}`;
  const verbs = Object.keys(rights).filter((verb) => verb !== 'read');
  const { actions, leaves } = plainRecord(model, plural, verbs);
  const table = ({ db }: RequestContext) => tableOf<PlainRow>(db, model);
  const createInput = z.object(create);
  const changeInput = z.object(update).partial();

  const mutations: Readonly<Record<string, (args: MutationArgs, context: RequestContext) => unknown>> = {
    create: ({ input }, context) => {
      const made = parseInput(createInput, input);
      assertSaysFor(context, made, forOthers.create);
      return table(context).create({ id: newId(prefix), ...made });
    },
    update: ({ input }, context) => {
      const { id, expectedUpdatedAt } = parseInput(whichInput, input);
      const changes = given(parseInput(changeInput, input));
      assertSaysFor(context, changes, forOthers.update);
      return updateIfUnchanged(table(context), id, expectedUpdatedAt, changes);
    },
    delete: ({ id }, context) => deleteRow(table(context), id),
  };

  return {
    ...more,
    record: { ...record, actions: { ...actions, ...record?.actions }, leaves: { ...leaves, ...record?.leaves } },
    grants: {
      ...Object.fromEntries(Object.entries(rights).map(([verb, right]) => [permission(verb), right])),
      ...grants,
    },
    resolvers: {
      ...resolvers,
      Query: {
        [plural]: (_: unknown, args: object, context: RequestContext) => list.page(args, context),
        [noun]: (_: unknown, { id }: { id: string }, context: RequestContext) => table(context).get({ id }),
        ...resolvers?.Query,
      },
      Mutation: {
        ...Object.fromEntries(
          verbs.map((verb) => [
            `${verb}${model}`,
            (_: unknown, args: MutationArgs, context: RequestContext) => mutations[verb]?.(args, context),
          ]),
        ),
        ...resolvers?.Mutation,
      },
    },
    access: {
      ...access,
      Query: { [plural]: can(permission('read')), [noun]: can(permission('read')), ...access.Query },
      Mutation: {
        ...Object.fromEntries(verbs.map((verb) => [`${verb}${model}`, can(permission(verb))])),
        ...access.Mutation,
      },
    },
    node: { prefix, type, rule: can(permission('read')), find: (id, context) => table(context).load(id) },
  };
}
