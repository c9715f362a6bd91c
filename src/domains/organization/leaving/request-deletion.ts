import type { RequestContext } from '../../../context/context.js';
import { DELETION_GRACE_DAYS } from '../../../context/deployment.js';
import { badInput, conflict } from '../../../errors.js';
import type { OrganizationSummary } from '../../../identity/person.js';
import { openOwedWork } from '../../../jobs/outside.js';
import { asActor } from '../../../rights/actor.js';
import { PURGE } from '../../purge/index.js';

const DAY_MS = 86_400_000;

/**
 * Has the current organization deleted once its grace is over. Until then it is as it was, and answers its OWNERs.
 *
 * @param confirm its slug as it is now, so that nobody deletes another than they mean
 * @throws BAD_USER_INPUT at `confirm`; FORBIDDEN
 */
export async function requestDeletion(confirm: string, context: RequestContext): Promise<OrganizationSummary> {
  const { use, outside, organization } = context;
  return asActor(context, 'organization:delete', async (inside) => {
    if (confirm !== inside.held.slug) throw badInput('confirm', 'Must be the slug of the organization.');
    const purgeAt = new Date(inside.now().getTime() + use(DELETION_GRACE_DAYS) * DAY_MS);
    await outside(openOwedWork).owe(PURGE, organization.orgId, purgeAt);
    return inside.organization.update({}, { status: 'PENDING_DELETION', purgeAt, updatedAt: inside.now() });
  });
}

/**
 * Takes that back: all is as it was.
 *
 * @throws CONFLICT where no deletion was asked for, or its grace is over; FORBIDDEN
 */
export async function cancelDeletion(context: RequestContext): Promise<OrganizationSummary> {
  return asActor(
    context,
    'organization:delete',
    async (inside) => {
      const { status, purgeAt, purgeBeganAt } = inside.held;
      if (status !== 'PENDING_DELETION') throw conflict('This organization is not to be deleted.');
      const isOver = purgeBeganAt !== null || (purgeAt !== null && purgeAt <= inside.now());
      if (isOver) throw conflict('It is being deleted.');
      return inside.organization.update({}, { status: 'ACTIVE', purgeAt: null, updatedAt: inside.now() });
    },
    'leaving',
  );
}
