import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { conflict, orNotFound } from '../../errors.js';
import { SubscriptionPlan, SubscriptionStatus } from '../../generated/enums.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { parseInput } from '../../resource/input.js';
import { type Agreed, openAgreed } from './outside.js';
import { tellSeen } from './seen.js';

const NOT_NULL = 'Must not be null.';
const reasonText = z.string(NOT_NULL).trim().min(1, 'Must not be blank.').max(500, 'At most 500 characters.');

const subscriptionInput = z.object({
  organizationId: z.string(),
  plan: z.enum(SubscriptionPlan, NOT_NULL).optional(),
  status: z.enum(SubscriptionStatus, NOT_NULL).optional(),
  seatLimit: z.int('Must be a whole number.').min(1, 'At least 1.').max(1_000_000, 'At most 1,000,000.').nullish(),
});

/**
 * What became of an organization, as whoever runs the deployment decided. Where nothing changed they have seen it all the same.
 *
 * @throws NOT_FOUND
 */
export async function agree(
  context: RequestContext,
  decide: (agreed: Agreed) => ReturnType<Agreed['setStatus']>,
): Promise<OrganizationSummary> {
  const organization = orNotFound(await decide(context.outside(openAgreed)));
  if (!organization.isTold) await tellSeen([organization], context);
  return organization;
}

/** @throws NOT_FOUND; CONFLICT where it stands otherwise than served or suspended */
async function setStatus(named: string, status: 'ACTIVE' | 'SUSPENDED', context: RequestContext, reason?: string) {
  const act = { ...context.actElsewhere, ...(reason !== undefined && { reason }) };
  const organization = await agree(context, (agreed) => agreed.setStatus(named, status, act));
  if (organization.status !== status) throw conflict('The organization is about to be deleted.', 'organizationId');
  return organization;
}

/** Reads answer from its next request on, and mutations do not. @throws BAD_USER_INPUT; NOT_FOUND; CONFLICT */
export const suspendOrganization = async (
  args: { readonly organizationId: string; readonly reason: string },
  context: RequestContext,
): Promise<OrganizationSummary> =>
  setStatus(args.organizationId, 'SUSPENDED', context, parseInput(reasonText, args.reason, 'reason'));

/** Everything is served again. @throws NOT_FOUND; CONFLICT */
export const resumeOrganization = (organizationId: string, context: RequestContext): Promise<OrganizationSummary> =>
  setStatus(organizationId, 'ACTIVE', context);

/** Sets what was agreed with an organization. @throws BAD_USER_INPUT; NOT_FOUND */
export async function updateSubscription(input: unknown, context: RequestContext): Promise<OrganizationSummary> {
  const { organizationId, ...subscription } = parseInput(subscriptionInput, input);
  return agree(context, (agreed) => agreed.setSubscription(organizationId, subscription, context.actElsewhere));
}
