import { v7 } from 'uuid';

/**
 * A new id: a prefix that names the type, an underscore and 26 characters of a UUIDv7 in base 32 (`run_01kap…`), so that ids sort
 * by the time they were made. Slugs have no underscore, so the two never collide.
 *
 * @param prefix three lower-case letters, one prefix for each type
 * @param at when the thing came into being, in milliseconds since 1970; now when left out
 */
export function newId(prefix: string, at?: number): string {
  const uuid = at === undefined ? v7() : v7({ msecs: at });
  return `${prefix}_${BigInt(`0x${uuid.replaceAll('-', '')}`)
    .toString(32)
    .padStart(26, '0')}`;
}

/** The prefix of a well-formed id, or null. */
export const idPrefix = (id: string): string | null => /^([a-z]{3})_[0-9a-v]{26}$/.exec(id)?.[1] ?? null;

declare const organizationId: unique symbol;

/**
 * The id of an organization that this request may act in: its membership was read, and is active. Only
 * `enter-organization`, the directory's `createOrganization` `joining` for who may ask to join, and work that the gateway does for the
 * organization itself (`due-domains`) make one; a lint rule keeps it so.
 */
export type OrgId = string & { readonly [organizationId]: true };

/** Makes an OrgId. Call it only where a membership has just been verified. */
export function brandVerifiedOrgId(id: string): OrgId {
  if (!/^org_[0-9a-v]{26}$/.test(id)) throw new TypeError('not an organization id');
  return id as OrgId;
}
