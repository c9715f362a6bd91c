import { OrgateError } from '../errors.js';
import { openImpersonations } from '../identity/impersonations.js';
import type { ImpersonationCredential } from './authenticate.js';
import { CATALOGUE, type Deployment } from './deployment.js';
import { type Entered, NotEnteredError, otherPerson, toCurrent } from './enter-organization.js';
import { isNameOf } from './hosts.js';
import type { NamedOrganization } from './resolve-organization.js';

/**
 * From a verified token that says who acts as whom to the member's rights, read live in one round trip, and to what the one who
 * acts may do with them.
 *
 * @param cookieHash of the cookie that came beside the token: it must name who acts, or nobody
 * @throws UNAUTHENTICATED once it has ended, for whatever reason; NOT_FOUND when the host or a header names another organization, whether or not
 *   there is such a thing
 */
export async function enterImpersonating(
  { outside, use }: Pick<Deployment, 'outside' | 'use'>,
  { expiresAt, ...credential }: ImpersonationCredential,
  named: readonly NamedOrganization[],
  cookieHash: string | null,
): Promise<Entered> {
  const { organizationClaim: orgId, impersonationId: id, actorId, personId: userId } = credential;
  const found = await outside(openImpersonations).find({ orgId, id, actorId, userId }, cookieHash);
  if (!found) throw new OrgateError('UNAUTHENTICATED');
  const { impersonation, membership, cookiePersonId } = found;
  if (cookiePersonId !== null && cookiePersonId !== actorId) throw otherPerson();
  const { organization, email, name } = membership;
  for (const each of named) {
    if (!(await isNameOf(each, membership, outside))) throw NotEnteredError.refusing(actorId, [each.name]);
  }
  return {
    viewer: {
      // As the organization knows them: what they are elsewhere nobody sees who acts as them here.
      person: { id: userId, email, name, systemRole: 'USER', status: 'ACTIVE', defaultOrgId: null },
      apiKey: null,
      impersonation,
      executor: null,
      claim: null,
      session: {
        id: null,
        boundOrgId: organization.id,
        lastUsedAt: null,
        startedAt: impersonation.startedAt,
        expiresAt,
        renewable: false,
      },
    },
    current: toCurrent(use(CATALOGUE), membership, named[0]?.source ?? 'TOKEN', true),
  };
}
