import type { RequestContext } from '../context/context.js';
import type { Deployment } from '../context/deployment.js';
import type { Resolvers } from '../generated/graphql.js';
import type { Job } from '../jobs/job.js';
import type { Parts } from '../parts.js';
import type { Grants, Permission } from '../permissions/catalogue.js';
import type { Rule } from '../permissions/rules.js';

type NotObjects = 'DateTime' | 'SafeInt' | 'JSON' | 'JSONObject' | 'Node';

/** Every object type of the schema but pages, whose rows were reached through the rule of the field that lists them. */
export type ObjectType = Exclude<keyof Resolvers, NotObjects | 'PageInfo' | `${string}Connection` | `${string}Edge`>;
type FieldOf<T extends ObjectType> = Exclude<keyof NonNullable<Resolvers[T]>, `__${string}`>;
type Root = 'Query' | 'Mutation';

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
  readonly type: Exclude<ObjectType, Root>;
  readonly permission: Permission;
  find(id: string, context: RequestContext): Promise<object | null>;
}

/** One domain: how it is answered, and who may ask. */
export interface Domain {
  readonly resolvers: Resolvers;
  /** The permissions it adds to the catalogue, each with the first role that holds it. */
  readonly grants?: Grants;
  readonly access: Access;
  readonly node?: NodeLookup;
  /** What it does beside the requests. */
  readonly jobs?: readonly Job[];
  /** Adds the parts of a deployment that it makes for others. */
  readonly provide?: (parts: Parts, deployment: Deployment) => void;
}

/** Keeps the exact keys, from which the list of domains tells what is missing. */
export const defineDomain = <const D extends Domain>(domain: D): D => domain;

type AccessOf<D extends Domain> = D['access'];
type AllKeys<U> = U extends unknown ? keyof U : never;
type Covered<D extends Domain, T extends Root> =
  AccessOf<D> extends infer A ? (A extends { readonly [K in T]: infer Fields } ? keyof Fields : never) : never;

/** Names of types and root fields that no domain has a rule for. */
export type Missing<D extends Domain> =
  | Exclude<ObjectType, Root | AllKeys<AccessOf<D>>>
  | `Query.${Exclude<FieldOf<'Query'>, Covered<D, 'Query'>>}`
  | `Mutation.${Exclude<FieldOf<'Mutation'>, Covered<D, 'Mutation'>>}`;

/** The list as it is, if it is complete; otherwise a type that says what is missing. */
type Complete<D extends readonly Domain[]> =
  Missing<D[number]> extends never ? unknown : `no domain has a rule for ${Missing<D[number]>}`;

/** The list of domains; it does not compile while a type or a root field has no rule. */
export const completeDomains = <const D extends readonly Domain[]>(domains: D & Complete<D>): readonly Domain[] =>
  domains;
