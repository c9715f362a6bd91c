import type { RequestContext } from '../../context/context.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';
import { conflict, notFound, OrgateError } from '../../errors.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { canAsPerson, isUnboundPerson } from '../../permissions/rules.js';
import { asActor } from '../../rights/actor.js';
import { openAccounts, openHeldAccounts } from './outside.js';

/** Works as someone who is OWNER now, under the organization's lock. */
const asOwner = <T>(context: RequestContext, work: (db: LockedDb) => Promise<T>): Promise<T> =>
  asActor(context, 'account:manage', async (db, actor) => {
    if (actor.role !== 'OWNER') throw new OrgateError('FORBIDDEN', 'Only an OWNER decides this.');
    return work(db);
  });

/** @throws NOT_FOUND; CONFLICT where it has an account; FORBIDDEN to whoever is no OWNER any more */
export const offerOrganization = (accountId: string, context: RequestContext): Promise<Row<'Organization'>> =>
  asOwner(context, async (db) => {
    if ((await context.outside(openHeldAccounts).findName(accountId)) === null) throw notFound();
    const known = await db.accountOrganization.find({});
    if (known && known.accountId !== accountId) {
      throw conflict('The organization has an account, or is offered to one: withdraw that first.', 'accountId');
    }
    if (!known) await db.accountOrganization.create({ accountId, createdAt: db.now() });
    return db.held;
  });

/**
 * By an OWNER of the current organization, or of one that is named by an administrator of the account.
 *
 * @throws NOT_FOUND where it is not that account's, nor offered to it
 */
export async function withdrawOrganization(
  accountId: string,
  organizationId: string | null | undefined,
  context: RequestContext,
): Promise<OrganizationSummary> {
  const rule = organizationId == null ? canAsPerson('account:manage') : isUnboundPerson;
  const verdict = rule.check(context, 'write', null);
  if (verdict !== true) throw verdict;
  if (organizationId == null) {
    return asOwner(context, async (db) => {
      if ((await db.accountOrganization.delete({ accountId })) === 0) throw notFound();
      return db.held;
    });
  }
  const at = { accountId, organizationId, personId: context.person.id };
  const ended = await context.outside(openAccounts).withdraw(at, context.actElsewhere);
  if (!ended) throw notFound();
  return ended;
}
