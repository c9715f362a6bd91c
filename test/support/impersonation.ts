import type { GivenOrganization } from './given.js';
import { givenAdministrator, personId } from './given.js';
import type { Client, TestServer } from './server.js';

export const START = `mutation ($input: StartImpersonationInput!) { startImpersonation(input: $input) {
  token expiresAt impersonation { id scope reason startedAt expiresAt endedAt by { id name email } onBehalfOf { id name } } } }`;

/** Somebody of the deployment who acts as a member. */
export interface GivenImpersonation {
  /** Who acts, as themselves. */
  readonly sam: Client;
  readonly samId: string;
  /** The member's id. */
  readonly userId: string;
  readonly id: string;
  readonly token: string;
  /** Who acts, as the member. */
  readonly acting: Client;
}

export async function givenImpersonation(
  server: TestServer,
  organization: GivenOrganization,
  {
    as = 'owner',
    sam,
    minutes,
  }: { as?: 'owner' | 'admin' | 'developer' | 'viewer'; sam?: Client; minutes?: number } = {},
): Promise<GivenImpersonation> {
  const administrator = sam ?? (await givenAdministrator(server));
  const userId = await personId(organization[as]);
  const input = { organizationId: organization.id, userId, reason: 'ticket 42: runs stay queued', minutes };
  const { data, text } = await administrator(START, { input });
  if (!data?.startImpersonation) throw new Error(text);
  const { token, impersonation } = data.startImpersonation;
  const samId = await personId(administrator);
  return { sam: administrator, samId, userId, id: impersonation.id, token, acting: server.withToken(token) };
}

/** Lets the deployment's own people in for an hour. */
export async function givenGrant({ owner }: GivenOrganization, scope: 'READ' | 'WRITE'): Promise<string> {
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const { data, text } = await owner(
    `mutation ($input: GrantSupportAccessInput!) { grantSupportAccess(input: $input) { id } }`,
    { input: { scope, expiresAt } },
  );
  if (!data?.grantSupportAccess) throw new Error(text);
  return data.grantSupportAccess.id;
}
