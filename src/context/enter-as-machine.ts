import { timingSafeEqual } from 'node:crypto';
import { conflict, OrgateError } from '../errors.js';
import { type Claimant, openClaimTokens } from '../identity/claims.js';
import { openExecutors } from '../identity/executors.js';
import type { ActiveMembership, OrganizationStanding, OrganizationSummary } from '../identity/person.js';
import type { Catalogue } from '../permissions/catalogue.js';
import type { MachineCredential } from './authenticate.js';
import { CATALOGUE, type Deployment } from './deployment.js';
import { type Entered, toCurrent } from './enter-organization.js';
import { isNameOf } from './hosts.js';
import { refuseMachine } from './refused-key.js';
import type { NamedOrganization } from './resolve-organization.js';
import type { Viewer } from './viewer.js';

type Entering = Pick<Deployment, 'outside' | 'use'>;

/** As long as a hash, and none; compared with when there is none, so that both cases take the same work. */
const NO_HASH = Buffer.alloc(32).toString('base64url');

const isTheirs = (kept: string | undefined, presented: string): boolean =>
  timingSafeEqual(Buffer.from(kept ?? NO_HASH), Buffer.from(presented));

/**
 * From a well-formed token to the machine that it is of, read live: an executor of the deployment, which is in no organization, or whoever
 * works on one run, in its organization and with no permission there.
 *
 * @throws UNAUTHENTICATED for a token that never was anyone's, or is an executor's no longer; CONFLICT for one of a claim that is over;
 *   ORG_CONTEXT_CONFLICT when the host or a header names another organization, whether or not there is such a thing
 */
export const enterAsMachine = (
  deployment: Entering,
  credential: MachineCredential,
  named: readonly NamedOrganization[],
): Promise<Entered> =>
  credential.kind === 'executor' ? asExecutor(deployment, credential, named) : asClaim(deployment, credential, named);

async function asExecutor(
  { outside }: Entering,
  { id, hash }: MachineCredential,
  named: readonly NamedOrganization[],
): Promise<Entered> {
  const executors = outside(openExecutors);
  const found = await executors.find(id);
  if (!isTheirs(found?.tokenHash, hash) || !found) throw refuseMachine();
  if (named.length > 0) throw new OrgateError('ORG_CONTEXT_CONFLICT', 'An executor is in no organization.');
  executors.noteUse(id);
  const { name, pool } = found;
  return { viewer: machine({ executor: { id, name, pool }, claim: null }), current: null };
}

async function asClaim(
  { outside, use }: Entering,
  { id, hash }: MachineCredential,
  named: readonly NamedOrganization[],
): Promise<Entered> {
  const found = await outside(openClaimTokens).find(id);
  if (!isTheirs(found?.tokenHash, hash) || !found) throw refuseMachine();
  const { claim, organization, standing } = found;
  const catalogue = use(CATALOGUE);
  if (!claim || !mayClaim(claim.by, catalogue)) throw conflict('This claim is over.');
  for (const each of named) {
    if (!(await isNameOf(each, { organization, standing }, outside))) throw new OrgateError('ORG_CONTEXT_CONFLICT');
  }
  const current = toCurrent(catalogue, standIn(claim.by, organization, standing), 'TOKEN', true);
  return {
    viewer: machine({ executor: null, claim }, organization.id),
    current: { ...current, permissions: new Set() },
  };
}

/** Whether whoever claimed it in the organization may do so now. */
function mayClaim(by: Claimant, catalogue: Catalogue): boolean {
  if (by.kind === 'EXECUTOR') return true;
  if (by.membership.isBarred) return false;
  const { role, granted, withheld } =
    by.apiKeyId === null ? by.membership : catalogue.ofKey(by.membership, by.keyPermissions);
  return catalogue.effective(role, granted, withheld).has('run:claim');
}

/** In whose place it stands: nobody's who could do anything. */
const standIn = (
  by: Claimant,
  organization: OrganizationSummary,
  standing: OrganizationStanding,
): ActiveMembership => ({
  id: '',
  organization,
  userId: by.kind === 'EXECUTOR' ? by.id : by.membership.userId,
  email: '',
  name: by.kind === 'EXECUTOR' ? by.name : by.membership.name,
  role: 'VIEWER',
  status: 'ACTIVE',
  granted: [],
  withheld: [],
  isBarred: false,
  createdAt: organization.createdAt,
  joinedAt: null,
  standing,
});

/** Nobody, but for what it is. */
const machine = (is: Pick<Viewer, 'executor' | 'claim'>, boundOrgId: string | null = null): Viewer => ({
  person: null,
  apiKey: null,
  impersonation: null,
  ...is,
  session: { id: null, boundOrgId, lastUsedAt: null, startedAt: null, expiresAt: 0, renewable: false },
});
