import type { MutationResolvers } from '../generated/graphql.js';
import { part } from '../parts.js';

/** The kind of thing, a dot, and what became of it. */
export type Action = `${string}.${string}`;

/** An entry in the record of the request's organization, of whichever organization an argument leads to, or of the deployment. */
export type Leaves = Action | { readonly inAnother: Action } | { readonly inDeployment: Action };

/** What has no entry of its own. */
export interface Untold {
  readonly what: string;
  readonly because: string;
  /** Tables of which no change is told. */
  readonly tables?: readonly string[];
  /** Columns whose change alone is not told. */
  readonly columns?: readonly `${string}.${string}`[];
}

/** What a domain says of its part of the record. docs/audit.md prints it, and tests hold the database to it. */
export interface DomainRecord {
  /** Every word that `action` has for its kinds of things, and what happened. */
  readonly actions?: Readonly<Record<Action, string>>;
  /** What each of its mutations leaves, done or refused; null of what changes nothing. */
  readonly leaves?: { readonly [M in keyof MutationResolvers]?: Leaves | null };
  readonly untold?: readonly Untold[];
}

/** What a mutation leaves in the record. */
export interface Left {
  /** What it is called there, done or refused. */
  readonly action: Action;
  readonly of: 'current' | 'another' | 'deployment';
}

/** What all domains say together. */
export interface WholeRecord {
  readonly actions: ReadonlyMap<string, string>;
  /** By the name of the mutation. */
  readonly leaves: ReadonlyMap<string, Left | null>;
  readonly untold: readonly Untold[];
}

/** Made once, from the domains. */
export const RECORD = part<WholeRecord>('words of the record');

/** @throws when two domains say the same */
export function composeRecord(domains: readonly { readonly record?: DomainRecord }[]): WholeRecord {
  const records = domains.flatMap(({ record }) => (record ? [record] : []));
  return {
    actions: once(records.flatMap(({ actions = {} }) => Object.entries(actions))),
    leaves: once(
      records.flatMap(({ leaves = {} }) =>
        Object.entries(leaves).map(([mutation, left]) => [mutation, toLeft(left ?? null)]),
      ),
    ),
    untold: records.flatMap(({ untold = [] }) => untold),
  };
}

function once<V>(entries: readonly (readonly [string, V])[]): ReadonlyMap<string, V> {
  const all = new Map<string, V>();
  for (const [word, said] of entries) {
    if (all.has(word)) throw new Error(`two domains say in their record what ${word} is`);
    all.set(word, said);
  }
  return all;
}

function toLeft(leaves: Leaves | null): Left | null {
  if (leaves === null) return null;
  if (typeof leaves === 'string') return { action: leaves, of: 'current' };
  return 'inAnother' in leaves
    ? { action: leaves.inAnother, of: 'another' }
    : { action: leaves.inDeployment, of: 'deployment' };
}
