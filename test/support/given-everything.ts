import { existsSync, readdirSync } from 'node:fs';
import { newId } from '../../src/data/id.js';
import type { OrganizationDb } from '../../src/data/organization/organization-db.js';
import { openAccounts } from '../../src/domains/account/outside.js';
import { type GivenOrganization, personId, unique } from './given.js';
import type { TestServer } from './server.js';
import { byTest } from './act.js';

/** One more of everything that an organization can own, made straight in the store. */
export interface GivenEverything extends GivenOrganization {
  readonly viewerId: string;
  readonly developerId: string;
  readonly serviceAccountId: string;
  readonly domainId: string;
  readonly invitationId: string;
  readonly joinRequestId: string;
  readonly removedId: string;
  readonly identityProviderId: string;
  readonly scimDirectoryId: string;
  readonly scimGroupId: string;
  readonly credentialId: string;
  readonly formerSlug: string;
  readonly supportAccessGrantId: string;
  readonly impersonationId: string;
  readonly usageEventId: string;
  readonly accountId: string;
  readonly webhookId: string;
  /** It waits for its next try. */
  readonly webhookDeliveryId: string;
}

/** What a domain's tests may have beside them, in `test/domains/<noun>/given.ts`: nobody asks for these by id. */
interface Given {
  /** Makes one of what the domain keeps. */
  readonly give: (db: OrganizationDb) => Promise<unknown>;
}

const DOMAINS = new URL('../domains/', import.meta.url);

async function giveOfDomains(db: OrganizationDb): Promise<void> {
  const files = readdirSync(DOMAINS).map((noun) => new URL(`${noun}/given.ts`, DOMAINS));
  for (const file of files.filter((each) => existsSync(each))) {
    const { give }: Given = await import(file.href);
    await give(db);
  }
}

export async function givenEverything(server: TestServer, organization: GivenOrganization): Promise<GivenEverything> {
  const db = server.database.organizationDb(organization.id, byTest);
  const ownerId = await personId(organization.owner);
  const address = () => `${unique('someone')}@${organization.slug}.example`;
  const name = `${organization.slug}.example`;
  const domain = await db.organizationDomain.create({ id: newId('dom'), name, challenge: 'x' });
  const invited = address();
  const place = {
    userId: newId('usr'),
    name: 'Invited',
    role: 'VIEWER',
    status: 'INVITED',
    invitedBy: ownerId,
  } as const;
  await db.membership.create({ ...place, email: invited });
  const expiresAt = new Date(Date.now() + 3_600_000);
  const invitation = await db.invitation.create({ id: newId('inv'), email: invited, expiresAt });
  const asking = await server.as(address());
  const joinRequest = await db.joinRequest.create({
    id: newId('jrq'),
    personId: await personId(asking),
    email: asking.email,
    name: 'Asking',
    domain: name,
    status: 'PENDING',
  });
  const standing = { role: 'VIEWER', joinedAt: new Date() } as const;
  const removed = { userId: newId('usr'), email: address(), name: 'Gone', status: 'REMOVED', ...standing } as const;
  const machine = {
    userId: newId('svc'),
    email: newId('svc'),
    name: 'Deployer',
    kind: 'SERVICE_ACCOUNT',
    ...standing,
  } as const;
  const identityProvider = await db.identityProvider.create({
    id: newId('idp'),
    kind: 'OIDC',
    name: 'Corporate',
    issuer: 'https://id.acme.example',
    clientId: 'orgate',
    defaultRole: 'VIEWER',
  });
  const directory = await db.scimDirectory.create({
    id: newId('scm'),
    name: 'Corporate',
    defaultRole: 'VIEWER',
    tokenHash: newId('scm'),
    tokenLastFour: '0000',
    createdBy: ownerId,
    tokenMadeBy: ownerId,
  });
  const credential = await db.credential.create({
    id: newId('crd'),
    kind: 'GIT',
    name: 'GitHub',
    provider: 'github',
    secret: 'x',
    rotatedAt: new Date(),
  });
  const webhook = await db.webhook.create({
    id: newId('whk'),
    url: `https://hooks.${organization.slug}.example/`,
    events: ['repository.created'],
    secret: 'x',
    secretMadeAt: new Date(),
    handledTo: 0n,
  });
  const sent = { webhookId: webhook.id, event: 'repository.created', sequence: 1n } as const;
  const delivery = await db.webhookDelivery.create({
    ...sent,
    id: newId('whd'),
    eventId: 'aud_0',
    body: '{}',
    dueAt: new Date(Date.now() + 3_600_000),
    happenedAt: new Date(),
  });
  const tried = { at: new Date(), durationMs: 5, status: 500, problem: 'STATUS', answer: 'no' } as const;
  await db.webhookAttempt.create({ ...sent, ...tried, id: newId('wha'), deliveryId: delivery.id });
  const formerSlug = unique('former');
  await db.address.create({ name: formerSlug, kind: 'SLUG' });
  await db.address.update({ name: formerSlug }, { givenUpAt: new Date() });
  const grant = { id: newId('sag'), scope: 'READ', grantedById: ownerId, expiresAt } as const;
  const sam = { actorId: newId('usr'), actorName: 'Sam', actorEmail: 'sam@orgate.example' };
  const looking = { reason: 'a ticket about runs', scope: 'READ', expiresAt } as const;
  const used = new Date();
  const usageEvent = await db.usageEvent.create({
    id: newId('use'),
    idempotencyKey: `key-${organization.slug}`,
    metric: 'images',
    quantity: 100n,
    costMicros: 100n,
    occurredAt: used,
    recordedAt: used,
    day: used.toISOString().slice(0, 10),
    createdById: ownerId,
  });
  const account = await server.database.outside(openAccounts).create('Agency', byTest);
  await db.accountOrganization.create({ accountId: account.id });
  await giveOfDomains(db);
  const ntf = newId('ntf');
  const told = { kind: 'ALERT', text: 'Eighty percent', occasion: ntf, isListed: true, at: new Date() } as const;
  await db.notification.create({ id: ntf, userId: ownerId, ...told });
  return {
    ...organization,
    viewerId: await personId(organization.viewer),
    developerId: await personId(organization.developer),
    serviceAccountId: (await db.membership.create({ ...machine, status: 'ACTIVE' })).userId,
    domainId: domain.id,
    invitationId: invitation.id,
    joinRequestId: joinRequest.id,
    removedId: (await db.membership.create(removed)).userId,
    identityProviderId: identityProvider.id,
    scimDirectoryId: directory.id,
    credentialId: credential.id,
    formerSlug,
    supportAccessGrantId: (await db.supportAccessGrant.create(grant)).id,
    impersonationId: (await db.impersonation.create({ id: newId('imp'), userId: ownerId, ...sam, ...looking })).id,
    usageEventId: usageEvent.id,
    accountId: account.id,
    webhookId: webhook.id,
    webhookDeliveryId: delivery.id,
    scimGroupId: (await db.scimGroup.create({ id: newId('scg'), directoryId: directory.id, displayName: 'All' })).id,
  };
}
