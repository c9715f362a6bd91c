import type { RequestContext } from '../context/context.js';
import type { Deployment } from '../context/deployment.js';
import type { NodeResolvers, Resolver, Resolvers, ResolversParentTypes, TypeResolveFn } from '../generated/graphql.js';
import type { DueKind, OwedKind } from '../jobs/due-kind.js';
import type { Job } from '../jobs/job.js';
import type { Parts } from '../parts.js';
import type { Grants } from '../permissions/catalogue.js';
import { allow, type Rule } from '../permissions/rules.js';
import type { Download } from './download.js';
import type { DomainRecord } from './record.js';

type NotObjects = 'DateTime' | 'SafeInt' | 'JSON' | 'JSONObject' | 'Node';

/** Every object type of the schema but pages, whose rows were reached through the rule of the field that lists them. */
export type ObjectType = Exclude<keyof Resolvers, NotObjects | 'PageInfo' | `${string}Connection` | `${string}Edge`>;
type FieldOf<T extends ObjectType> = Exclude<keyof NonNullable<Resolvers[T]> & string, `__${string}`>;
type Root = 'Query' | 'Mutation' | 'Subscription';
/** What `node` finds, as the contract has it. */
export type NodeType = NodeResolvers['__resolveType'] extends TypeResolveFn<infer T, infer _P, infer _C> ? T : never;

/** Who may: for each type a rule for every field, or one for all. Root fields are shared out among the domains. */
export type Access = {
  readonly [T in ObjectType]?: T extends Root
    ? { readonly [F in FieldOf<T>]?: Rule }
    : Rule | { readonly [F in FieldOf<T>]: Rule };
};

/** How `node` finds an object of this domain. */
export interface NodeLookup {
  /** Three letters, as in `newId`. */
  readonly prefix: string;
  readonly type: NodeType;
  /** Who may; `allow` where it finds only what is the viewer's own. */
  readonly rule: Rule;
  find(id: string, context: RequestContext): Promise<object | null>;
}

/** One domain: how it is answered, and who may ask. */
export interface Domain {
  readonly resolvers: Resolvers;
  /** The permissions it adds to the catalogue, each with the first role that holds it. */
  readonly grants?: Grants;
  /** What it leaves in the record. */
  readonly record?: DomainRecord;
  readonly access: Access;
  readonly node?: NodeLookup;
  /** What it does beside the requests, again and again. */
  readonly jobs?: readonly Job[];
  /** What it does for an organization once that is due. */
  readonly due?: readonly DueKind<unknown>[];
  /** The same for the deployment, whatever becomes of the organization that it is about. */
  readonly owed?: readonly OwedKind[];
  /** What an organization takes away of it by links. */
  readonly downloads?: readonly Download[];
  /** Adds the parts of a deployment that it makes for others. */
  readonly provide?: (parts: Parts, deployment: Deployment) => void;
}

/** Fields that anyone reads who reached their parent. */
export const allowing = <F extends string>(...fields: readonly F[]): { readonly [K in F]: Rule } =>
  Object.fromEntries(fields.map((field) => [field, allow])) as { [K in F]: Rule };

/** Keeps the exact keys, from which the list of domains tells what is missing. */
export const defineDomain = <const D extends Domain>(domain: D): D => domain;

/** The keys that any of several objects has below a key of its own. */
type KeysBelow<U, T extends string> = U extends { readonly [K in T]: infer Fields } ? keyof Fields : never;
type AllKeys<U> = U extends unknown ? keyof U : never;

/** Names of types and root fields that no domain has a rule for. */
type WithoutRule<D extends Domain> =
  | Exclude<ObjectType, Root | AllKeys<D['access']>>
  | { [T in Root]: `${T}.${Exclude<FieldOf<T>, KeysBelow<D['access'], T>>}` }[Root];

/** Fields that the parent answers by itself: it holds something of that name, and of that type. */
type Held<T extends ObjectType> = {
  [F in FieldOf<T>]: ResolversParentTypes[T] extends { readonly [K in F]?: infer V }
    ? NonNullable<Resolvers[T]>[F & keyof NonNullable<Resolvers[T]>] extends
        Resolver<infer Answer, infer _P, infer _C, infer _A> | undefined
      ? V extends Answer
        ? F
        : never
      : never
    : never;
}[FieldOf<T>];

type WithoutResolver<D extends Domain> = {
  [T in ObjectType]: `${T}.${Exclude<FieldOf<T>, Held<T> | KeysBelow<D['resolvers'], T>>}`;
}[ObjectType];

type WithoutNode<D extends Domain> = Exclude<
  NodeType,
  D extends { readonly node: { readonly type: infer T } } ? T : never
>;

type RecordOf<D> = D extends { readonly record: infer R } ? R : never;
type WithoutEntry<D extends Domain> = Exclude<FieldOf<'Mutation'>, KeysBelow<RecordOf<D>, 'leaves'>>;

type WordOf<L> = L extends string ? L : L extends object ? L[keyof L] : never;
type WordsLeft<R> = R extends { readonly leaves: infer L } ? WordOf<L[keyof L]> : never;
/** Words that mutations leave, and no domain explains. */
type WithoutMeaning<D extends Domain> = Exclude<WordsLeft<RecordOf<D>>, KeysBelow<RecordOf<D>, 'actions'>>;

/** What no domain says, each with what to write. */
export type Missing<D extends Domain> =
  | `${WithoutRule<D>}: say who may, in the access of its domain`
  | `${WithoutResolver<D>}: write a resolver; its parent holds nothing of this name and type (of an enum its column says "// one of" in the model)`
  | `${WithoutNode<D>}: implements Node; give its domain a node`
  | `Mutation.${WithoutEntry<D>}: say which action it leaves, in the record of its domain (null of what changes nothing)`
  | `${WithoutMeaning<D> & string}: say what it means, in the record of its domain`;

/**
 * The list of domains, if it is complete.
 *
 * @param isComplete `true`; while a type or a field of the contract lacks something, the compiler says what in its place
 */
export const completeDomains = <const D extends readonly Domain[]>(
  domains: D,
  isComplete: [Missing<D[number]>] extends [never] ? true : `Missing: ${Missing<D[number]>}`,
): readonly Domain[] => (isComplete ? domains : []);
