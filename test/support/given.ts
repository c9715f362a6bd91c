import { randomBytes } from 'node:crypto';
import { brandVerifiedOrgId, newId, type OrgId } from '../../src/data/id.js';
import type { AssertingProvider } from '../../src/domains/identity-provider/provision-from-provider.js';
import type { DomainJoining, MembershipStatus } from '../../src/generated/enums.js';
import type { Role } from '../../src/permissions/catalogue.js';
import type { Client, TestServer } from './server.js';
import { byTest } from './act.js';

/** An organization with one person in each role and one of each resource, made for one test. */
export interface GivenOrganization {
  readonly id: OrgId;
  readonly slug: string;
  readonly owner: Client;
  readonly admin: Client;
  readonly developer: Client;
  readonly viewer: Client;
  readonly repositoryId: string;
  readonly agentId: string;
  readonly agentName: string;
  readonly runId: string;
}

/** Names that no other test uses. */
export const unique = (name: string): string => `${name}-${randomBytes(5).toString('hex')}`;

/** The id of the person behind a client; makes the person when this is their first request. */
export async function personId(client: Client): Promise<string> {
  const { data, text } = await client('{ viewer { user { id } } }');
  if (!data?.viewer) throw new Error(text);
  return data.viewer.user.id as string;
}

/** Somebody who runs the deployment, and is in no organization. */
export async function givenAdministrator(server: TestServer): Promise<Client> {
  const sam = await server.as(`${unique('sam')}@orgate.example`);
  await server.database.pool.queryAsLoginRole(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [
    await personId(sam),
  ]);
  return sam;
}

/** An active member, made straight in the store: invitations have tests of their own. */
export async function givenMember(
  server: TestServer,
  organization: { id: OrgId; slug: string },
  role: Role,
  more: { granted?: string[]; withheld?: string[]; status?: MembershipStatus; email?: string } = {},
): Promise<Client> {
  const { email = `${unique(role.toLowerCase())}@${organization.slug}.example`, ...rest } = more;
  const anywhere = await server.as(email);
  const userId = await personId(anywhere);
  await server.database.organizationDb(organization.id, byTest).membership.create({
    userId,
    email,
    name: `${role} of ${organization.slug}`,
    role,
    status: 'ACTIVE',
    joinedAt: more.status === 'INVITED' ? null : new Date(),
    ...rest,
  });
  return server.as(email, organization.slug);
}

/** Leaves, and is let in again as who they were, straight in the store. */
export async function comeBack({ database }: TestServer, { id }: { id: OrgId }, member: Client): Promise<void> {
  const userId = await personId(member);
  const { text, errors } = await member('mutation { leaveOrganization { status } }');
  if (errors.length > 0) throw new Error(text);
  const back = { status: 'ACTIVE', joinedAt: database.pool.clock.now() } as const;
  await database.organizationDb(id, byTest).membership.update({ userId }, back);
}

/** A domain that the organization holds, made straight in the store: proving one has tests of its own. */
export async function givenHeldDomain(
  server: TestServer,
  organization: { id: OrgId; slug: string },
  more: { name?: string; joining?: DomainJoining; joiningRole?: 'VIEWER' | 'DEVELOPER' } = {},
): Promise<{ id: string; name: string }> {
  const { name = `${unique('held')}.${organization.slug}.example` } = more;
  return server.database.organizationDb(organization.id, byTest).transaction(async (db) => {
    await db.address.create({ name, kind: 'DOMAIN' });
    const held = { status: 'VERIFIED', heldName: name, verifiedAt: new Date() } as const;
    return db.organizationDomain.create({ id: newId('dom'), challenge: 'unused', ...more, name, ...held });
  });
}

/** An identity provider in use, made straight in the store: it answers nobody. */
export async function givenProvider(server: TestServer, { id: orgId }: { id: OrgId }): Promise<AssertingProvider> {
  const id = newId('idp');
  const settings = {
    name: 'Corporate',
    issuer: 'https://id.example',
    clientId: 'orgate',
    defaultRole: 'VIEWER',
  } as const;
  await server.database.organizationDb(orgId, byTest).identityProvider.create({ id, kind: 'OIDC', ...settings });
  return { id, organization: { orgId }, emailDomains: null };
}

export async function givenOrganization(server: TestServer, name = 'acme'): Promise<GivenOrganization> {
  const slug = unique(name);
  const owner = await server.as(`owner@${slug}.example`, slug);
  const created = await owner(
    'mutation ($input: CreateOrganizationInput!) { createOrganization(input: $input) { id } }',
    { input: { name: `${name} Inc.`, slug, description: `canary of ${slug}` } },
  );
  const id = brandVerifiedOrgId(created.data.createOrganization.id as string);
  const db = server.database.organizationDb(id, byTest);
  const ownerId = await personId(owner);
  const repository = await db.repository.create({
    id: newId('rep'),
    name: 'support-bots',
    gitUrl: `https://git.${slug}.example/support-bots.git`,
    description: `canary of ${slug}`,
  });
  const agent = await db.agent.create({
    id: newId('agt'),
    repositoryId: repository.id,
    name: 'CustomerSupport',
    description: `canary of ${slug}`,
  });
  const run = await db.run.create({
    id: newId('run'),
    agentId: agent.id,
    repositoryId: repository.id,
    createdById: ownerId,
    input: { canary: `canary of ${slug}` },
    idempotencyKey: `key-${slug}`,
    totalTokens: 1000n,
    totalCostMicros: 2_500_000n,
  });
  const organization = { id, slug };
  return {
    ...organization,
    owner,
    admin: await givenMember(server, organization, 'ADMIN'),
    developer: await givenMember(server, organization, 'DEVELOPER'),
    viewer: await givenMember(server, organization, 'VIEWER'),
    repositoryId: repository.id,
    agentId: agent.id,
    agentName: agent.name,
    runId: run.id,
  };
}

export async function givenTwoOrganizations(
  server: TestServer,
): Promise<{ acme: GivenOrganization; globex: GivenOrganization }> {
  return { acme: await givenOrganization(server, 'acme'), globex: await givenOrganization(server, 'globex') };
}
