import { notFound, OrgateError } from '../errors.js';
import type { ActiveMembership } from '../identity/person.js';
import { RequestContext } from './context.js';
import { CATALOGUE } from './deployment.js';
import { elsewhereOf } from './elsewhere.js';
import { toCurrent } from './enter-organization.js';
import { enteredBy, ROUTING, type Routing } from './routing.js';

/** One of the viewer's memberships. @throws NOT_FOUND, foreign and unknown alike; ORG_IN_OTHER_REGION to who may know that */
export async function membershipNamed(context: RequestContext, named: string): Promise<ActiveMembership> {
  const { registry, sessionScope, person, deployment } = context;
  const membership = await registry.findMembership(sessionScope, named);
  if (membership) return membership;
  const elsewhere = sessionScope.boundOrgId === null ? await elsewhereOf(deployment, person.id, [named]) : null;
  throw elsewhere ?? notFound();
}

/**
 * Lets a person into an organization beside the request's own, as `enterOrganization` lets them into that: by a membership that is
 * read now. What reaches one organization only never gets here: a key, a session that an organization's own provider opened, whoever
 * acts as a member. Each time is a line of the stream `routing`, refused or not.
 *
 * @returns the same request in that organization. The request itself stays in its own.
 * @throws FORBIDDEN to those; otherwise as `membershipNamed`
 */
export async function enterBeside(context: RequestContext, named: string): Promise<RequestContext> {
  const { viewer, requestId, deployment, address } = context;
  const tell = (decided: Pick<Routing, 'outcome' | 'organization' | 'source'>) =>
    context.use(ROUTING)(requestId, {
      named: [{ source: 'ARGUMENT', name: named }],
      viewer: viewer?.person?.id ?? context.current?.membership.userId,
      actor: viewer?.impersonation?.by.id,
      apiKey: viewer?.apiKey?.id,
      ...decided,
    });
  try {
    if (!viewer?.person || viewer.impersonation || viewer.session.boundOrgId !== null) {
      throw new OrgateError('FORBIDDEN', 'This session reaches one organization only.');
    }
    const membership = await membershipNamed(context, named);
    tell({ outcome: enteredBy(membership), organization: membership.organization.id, source: 'ARGUMENT' });
    // Named in so many words, as by a header.
    const entered = toCurrent(context.use(CATALOGUE), membership, 'HEADER', true);
    return new RequestContext(requestId, viewer, entered, deployment, address);
  } catch (error) {
    if (error instanceof OrgateError) tell({ outcome: error.code });
    throw error;
  }
}
