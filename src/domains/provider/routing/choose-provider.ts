import type { PassedOverReason, ProviderReason } from '../../../generated/enums.js';

/** Of whom an organization lets its runs call one, the first of them first. */
export interface ProviderList {
  readonly names: readonly string[];
  /** The one that it prefers; null where it said none. */
  readonly preferred: string | null;
  /** It said none at all, and this is its usual one. */
  readonly isUsual: boolean;
}

/** What was paid for so much. */
export interface Paid {
  readonly costMicros: bigint;
  readonly quantity: bigint;
}

export interface WhatIsKnown {
  /** Whom there is a credential for that the run may have. */
  readonly known: ReadonlySet<string>;
  /** Who does not answer. */
  readonly unhealthy: ReadonlySet<string>;
  /** By name; null where it does not matter. Whoever is missing, or was paid for nothing, costs nobody knows what. */
  readonly paid: ReadonlyMap<string, Paid> | null;
}

export interface PassedOver {
  readonly provider: string;
  readonly reason: PassedOverReason;
}

export interface Choice {
  /** Null where none can be called. */
  readonly name: string | null;
  readonly reason: ProviderReason;
  /** Those before it in the list; all where none can be called. */
  readonly passedOver: readonly PassedOver[];
}

/**
 * Chooses whom to call: the first of the list that can be called, or where cost matters the cheapest of those that can, of those that are alike
 * the first. Never one that is not in the list.
 */
export function chooseProvider(list: ProviderList, { known, unhealthy, paid }: WhatIsKnown): Choice {
  const faultOf = (name: string): PassedOverReason | null => {
    if (!known.has(name)) return 'UNKNOWN';
    return unhealthy.has(name) ? 'UNHEALTHY' : null;
  };
  const able = list.names.filter((name) => faultOf(name) === null);
  const [first] = able;
  const name = paid
    ? able.reduce((best, next) => (isCheaper(paid.get(next), paid.get(best)) ? next : best), first ?? '')
    : first;
  const before = first === undefined ? list.names : list.names.slice(0, list.names.indexOf(name ?? first));
  const passedOver = before.map((provider) => ({ provider, reason: faultOf(provider) ?? 'COSTLIER' }) as const);
  if (first === undefined || name === undefined) return { name: null, reason: 'UNAVAILABLE', passedOver };
  return { name, reason: reasonOf(name, first, list), passedOver };
}

function reasonOf(name: string, first: string, { preferred, isUsual }: ProviderList): ProviderReason {
  if (isUsual) return 'DEFAULT';
  if (name !== first) return 'CHEAPEST';
  return name === preferred ? 'PREFERRED' : 'FALLBACK';
}

/** By the mean of a unit, exactly. */
function isCheaper(one: Paid | undefined, other: Paid | undefined): boolean {
  if (!isKnown(one)) return false;
  return !isKnown(other) || one.costMicros * other.quantity < other.costMicros * one.quantity;
}

const isKnown = (paid: Paid | undefined): paid is Paid => paid !== undefined && paid.quantity > 0n;
