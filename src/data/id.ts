import { v4, v7 } from 'uuid';

/**
 * A new id: a prefix that names the type, an underscore and 26 characters of a UUIDv7 in base 32 (`run_01kap…`), so that ids sort
 * by the time they were made. Slugs have no underscore, so the two never collide. Ids of persons are random instead (a
 * UUIDv4): organizations read them, and would read when someone first appeared on the deployment. Those of memberships
 * (`mem_…`) are random, too, and the database makes them.
 *
 * @param prefix three lower-case letters, one prefix for each type
 * @param at when the thing came into being, in milliseconds since 1970; now when left out
 */
export function newId(prefix: string, at?: number): string {
  const uuid = prefix === PERSON ? v4() : at === undefined ? v7() : v7({ msecs: at });
  return `${prefix}_${BigInt(`0x${uuid.replaceAll('-', '')}`)
    .toString(32)
    .padStart(26, '0')}`;
}

const PERSON = 'usr';

/** The prefix of a well-formed id, or null. */
export const idPrefix = (id: string): string | null => /^([a-z]{3})_[0-9a-v]{26}$/.exec(id)?.[1] ?? null;

declare const organizationId: unique symbol;
declare const verified: unique symbol;

/**
 * The id of an organization that work is done in, and in no other: its database opens to it. That work may be anybody's, or
 * the gateway's own (a mail that is due, a domain to check, an invitation that was followed).
 */
export type OrgId = string & { readonly [organizationId]: true };

/**
 * The id of the organization that a request acts in. What lets it in there was read in this request, and holds: an active membership
 * of the person, of the owner of the key or of whoever is acted as; or, for the token of a claim, that claim, whose claimant may still
 * claim. Only `toCurrent` in `context/enter-organization` makes one; a lint rule keeps it so.
 */
export type VerifiedOrgId = OrgId & { readonly [verified]: true };

/** Makes a VerifiedOrgId. Call it only where what lets the request in has just been read. */
export const brandVerifiedOrgId = (id: string): VerifiedOrgId => brandOrgId(id) as VerifiedOrgId;

/**
 * Makes an OrgId for work that needs nobody's membership. Whoever stands outside any one organization does (`identity/`, the
 * `outside.ts` of domains and of `jobs/`, two checks in `data/start/`, demo data), for what it found in the database, has just made, or
 * was named by who runs the deployment; a lint rule keeps everybody else from it.
 */
export function brandOrgId(id: string): OrgId {
  if (!/^org_[0-9a-v]{26}$/.test(id)) throw new TypeError('not an organization id');
  return id as OrgId;
}
