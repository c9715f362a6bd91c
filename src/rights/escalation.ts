import type { Row } from '../data/organization/table.js';
import { OrgateError } from '../errors.js';
import { type Catalogue, isAtMost, type Permission } from '../permissions/catalogue.js';

/** A role with single permissions more and less: what a membership, an invitation or a key adds up to. */
export type Standing = Pick<Row<'Membership'>, 'role' | 'granted' | 'withheld'>;

/** What a key of this member can do, as if it were a member itself. */
export const standingOfKey = (catalogue: Catalogue, owner: Standing, permissions: readonly string[]): Standing =>
  catalogue.ofKey(owner, permissions);

/** Nobody grants, edits or removes more than they hold: neither what someone has, nor what they are to have. */
export function assertNoEscalation(catalogue: Catalogue, actor: Standing, ...touched: Standing[]): void {
  if (!isWithinRights(catalogue, actor, ...touched)) throw new OrgateError('ROLE_ESCALATION');
}

export function isWithinRights(catalogue: Catalogue, actor: Standing, ...touched: Standing[]): boolean {
  const held = effective(catalogue, actor);
  return touched.every(
    (standing) =>
      isAtMost(standing.role, actor.role) &&
      [...effective(catalogue, standing)].every((permission) => held.has(permission)),
  );
}

/** What a standing adds up to. */
export const effective = (catalogue: Catalogue, { role, granted, withheld }: Standing): ReadonlySet<Permission> =>
  catalogue.effective(role, granted, withheld);
