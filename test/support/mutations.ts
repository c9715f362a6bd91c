import type { Role } from '../../src/permissions/catalogue.js';
import { givenCertifiedKey } from './certificate.js';
import type { GivenEverything } from './given-everything.js';
import { unique } from './given.js';

/** What may be asked of an organization, by whom. */
export interface Operation {
  readonly permission: string;
  /** What it takes as well. */
  readonly besides?: 'audit:read';
  /** The first role that may. */
  readonly from: Role;
  /** Besides the permission it takes the role: nobody but an OWNER hands on what only an OWNER has. */
  readonly ownersOnly?: true;
  /** What it is where nothing was done before. */
  readonly alone?: 'CONFLICT';
  readonly text: (at: GivenEverything) => string;
}

const CERTIFICATE = givenCertifiedKey().certificate.replaceAll(/-----[^-]+-----|\s/g, '');

/** Every mutation on what belongs to an organization, in an order in which each has something to act on. */
export const MUTATIONS: Record<string, Operation> = {
  createRepository: {
    permission: 'repository:create',
    from: 'DEVELOPER',
    text: () => `createRepository(input: { name: "${unique('r')}", gitUrl: "https://git.example/r" }) { id }`,
  },
  updateRepository: {
    permission: 'repository:update',
    from: 'DEVELOPER',
    text: ({ repositoryId }) => `updateRepository(input: { id: "${repositoryId}", branch: "x" }) { id }`,
  },
  setRepositoryCredential: {
    permission: 'credential:manage',
    from: 'ADMIN',
    text: ({ repositoryId, credentialId }) =>
      `setRepositoryCredential(id: "${repositoryId}", credentialId: "${credentialId}") { id }`,
  },
  createCredential: {
    permission: 'credential:manage',
    from: 'ADMIN',
    text: () =>
      `createCredential(input: { kind: GIT, name: "${unique('c')}", provider: "github", secret: "x" }) { id }`,
  },
  updateCredential: {
    permission: 'credential:manage',
    from: 'ADMIN',
    text: ({ credentialId }) => `updateCredential(input: { id: "${credentialId}", enabled: false }) { id }`,
  },
  replaceCredentialSecret: {
    permission: 'credential:manage',
    from: 'ADMIN',
    text: ({ credentialId }) => `replaceCredentialSecret(id: "${credentialId}", secret: "y") { id }`,
  },
  deleteCredential: {
    permission: 'credential:manage',
    from: 'ADMIN',
    text: ({ credentialId }) => `deleteCredential(id: "${credentialId}")`,
  },
  setAgentCredentials: {
    permission: 'credential:manage',
    from: 'ADMIN',
    text: ({ agentId }) => `setAgentCredentials(id: "${agentId}", credentialIds: []) { id }`,
  },
  createWebhook: {
    permission: 'webhook:manage',
    besides: 'audit:read',
    from: 'ADMIN',
    text: () => 'createWebhook(input: { url: "https://203.0.113.9/", events: ["*"] }) { webhook { id } }',
  },
  updateWebhook: {
    permission: 'webhook:manage',
    besides: 'audit:read',
    from: 'ADMIN',
    text: ({ webhookId }) => `updateWebhook(input: { id: "${webhookId}", events: ["agent.created"] }) { id }`,
  },
  rotateWebhookSecret: {
    permission: 'webhook:manage',
    from: 'ADMIN',
    text: ({ webhookId }) => `rotateWebhookSecret(id: "${webhookId}", overlapHours: 1) { webhook { id } }`,
  },
  replayWebhook: {
    permission: 'webhook:manage',
    besides: 'audit:read',
    from: 'ADMIN',
    text: ({ webhookId }) =>
      `replayWebhook(id: "${webhookId}", from: "${new Date(Date.now() - 60_000).toISOString()}") { id }`,
  },
  redeliver: {
    permission: 'webhook:manage',
    besides: 'audit:read',
    from: 'ADMIN',
    text: ({ webhookDeliveryId }) => `redeliver(deliveryId: "${webhookDeliveryId}") { deliveryId }`,
  },
  testWebhook: {
    permission: 'webhook:manage',
    from: 'ADMIN',
    text: ({ webhookId }) => `testWebhook(id: "${webhookId}") { deliveryId }`,
  },
  deleteWebhook: {
    permission: 'webhook:manage',
    from: 'ADMIN',
    text: ({ webhookId }) => `deleteWebhook(id: "${webhookId}")`,
  },
  createAgent: {
    permission: 'agent:create',
    from: 'DEVELOPER',
    text: ({ repositoryId }) =>
      `createAgent(input: { repositoryId: "${repositoryId}", name: "${unique('a')}" }) { id }`,
  },
  updateAgent: {
    permission: 'agent:update',
    from: 'DEVELOPER',
    text: ({ agentId }) => `updateAgent(input: { id: "${agentId}", description: "x" }) { id }`,
  },
  startRun: {
    permission: 'run:start',
    from: 'DEVELOPER',
    text: ({ agentId }) => `startRun(input: { agentId: "${agentId}" }) { id }`,
  },
  recordRunProgress: {
    permission: 'run:record',
    from: 'DEVELOPER',
    text: ({ runId }) => `recordRunProgress(id: "${runId}", input: { totalTokens: 2000 }) { id }`,
  },
  cancelRun: { permission: 'run:cancel', from: 'DEVELOPER', text: ({ runId }) => `cancelRun(id: "${runId}") { id }` },
  claimRuns: {
    permission: 'run:claim',
    from: 'ADMIN',
    text: () => 'claimRuns(input: {}) { runs { runId } }',
  },
  reportProviderHealth: {
    permission: 'run:record',
    from: 'DEVELOPER',
    text: () => 'reportProviderHealth(input: { provider: "given", healthy: true }) { healthy }',
  },
  setCostLimits: {
    permission: 'billing:manage',
    from: 'OWNER',
    text: () => `setCostLimits(input: { monthlyLimitMicros: ${Date.now()} }) { hardStopAtLimit }`,
  },
  recordUsage: {
    permission: 'usage:record',
    from: 'DEVELOPER',
    text: () => `recordUsage(input: { idempotencyKey: "${unique('u')}", metric: "images", quantity: 1 }) { duplicate }`,
  },
  recordUsageBatch: {
    permission: 'usage:record',
    from: 'DEVELOPER',
    text: () =>
      `recordUsageBatch(input: [{ idempotencyKey: "${unique('u')}", metric: "images", quantity: 1 }]) { outcomes { duplicate } }`,
  },
  correctUsage: {
    permission: 'usage:correct',
    from: 'ADMIN',
    text: ({ usageEventId }) =>
      `correctUsage(input: { eventId: "${usageEventId}", idempotencyKey: "${unique('u')}", quantity: -1, reason: "x" }) { duplicate }`,
  },
  deleteAgent: {
    permission: 'agent:delete',
    from: 'DEVELOPER',
    text: ({ agentId }) => `deleteAgent(id: "${agentId}")`,
  },
  deleteRepository: {
    permission: 'repository:delete',
    from: 'DEVELOPER',
    text: ({ repositoryId }) => `deleteRepository(id: "${repositoryId}")`,
  },
  inviteUser: {
    permission: 'member:invite',
    from: 'ADMIN',
    text: () => `inviteUser(input: { email: "${unique('x')}@acme.example", name: "x", role: VIEWER }) { role }`,
  },
  updateMemberPermissions: {
    permission: 'member:update',
    from: 'ADMIN',
    text: ({ viewerId }) =>
      `updateMemberPermissions(userId: "${viewerId}", permissions: [], withheldPermissions: []) { role }`,
  },
  suspendMember: {
    permission: 'member:update',
    from: 'ADMIN',
    text: ({ viewerId }) => `suspendMember(userId: "${viewerId}") { status }`,
  },
  reinstateMember: {
    permission: 'member:update',
    from: 'ADMIN',
    text: ({ viewerId }) => `reinstateMember(userId: "${viewerId}") { status }`,
  },
  updateMemberRole: {
    permission: 'member:update',
    from: 'ADMIN',
    text: ({ viewerId }) => `updateMemberRole(userId: "${viewerId}", role: VIEWER) { role }`,
  },
  removeMember: {
    permission: 'member:remove',
    from: 'ADMIN',
    text: ({ viewerId }) => `removeMember(userId: "${viewerId}") { status }`,
  },
  clearRemoval: {
    permission: 'member:invite',
    from: 'ADMIN',
    text: ({ removedId }) => `clearRemoval(userId: "${removedId}") { status }`,
  },
  resendInvitation: {
    permission: 'member:invite',
    from: 'ADMIN',
    text: ({ invitationId }) => `resendInvitation(id: "${invitationId}") { status }`,
  },
  revokeInvitation: {
    permission: 'member:invite',
    from: 'ADMIN',
    text: ({ invitationId }) => `revokeInvitation(id: "${invitationId}") { status }`,
  },
  declineJoinRequest: {
    permission: 'member:invite',
    from: 'ADMIN',
    text: ({ joinRequestId }) => `declineJoinRequest(id: "${joinRequestId}") { status }`,
  },
  approveJoinRequest: {
    permission: 'member:invite',
    from: 'ADMIN',
    text: ({ joinRequestId }) => `approveJoinRequest(id: "${joinRequestId}", role: VIEWER) { status }`,
  },
  addDomain: {
    permission: 'domain:manage',
    from: 'ADMIN',
    text: () => `addDomain(name: "${unique('d')}.example") { id }`,
  },
  verifyDomain: {
    permission: 'domain:manage',
    from: 'ADMIN',
    text: ({ domainId }) => `verifyDomain(id: "${domainId}") { id }`,
  },
  setDomainServing: {
    permission: 'domain:manage',
    from: 'ADMIN',
    text: ({ domainId }) => `setDomainServing(id: "${domainId}", serving: false) { id }`,
  },
  setDomainJoining: {
    permission: 'domain:manage',
    from: 'ADMIN',
    text: ({ domainId }) => `setDomainJoining(id: "${domainId}", joining: MANUAL) { id }`,
  },
  removeDomain: {
    permission: 'domain:manage',
    from: 'ADMIN',
    text: ({ domainId }) => `removeDomain(id: "${domainId}")`,
  },
  exportAudit: {
    permission: 'audit:read',
    from: 'ADMIN',
    text: () => 'exportAudit(input: { format: NDJSON }) { url }',
  },
  updateOrganization: {
    permission: 'organization:update',
    from: 'ADMIN',
    text: () => 'updateOrganization(input: { description: "x" }) { id }',
  },
  rollbackSettings: {
    permission: 'organization:update',
    from: 'ADMIN',
    text: () => 'rollbackSettings(version: 2, expectedVersion: 2) { id }',
  },
  createApiKey: {
    permission: 'api-key:create',
    from: 'DEVELOPER',
    text: () => 'createApiKey(input: { name: "x", permissions: ["run:read"] }) { secret }',
  },
  createServiceAccount: {
    permission: 'service-account:manage',
    from: 'ADMIN',
    text: () => 'createServiceAccount(input: { name: "x", role: VIEWER }) { id }',
  },
  updateServiceAccount: {
    permission: 'service-account:manage',
    from: 'ADMIN',
    text: ({ serviceAccountId }) => `updateServiceAccount(input: { id: "${serviceAccountId}", name: "x" }) { id }`,
  },
  removeServiceAccount: {
    permission: 'service-account:manage',
    from: 'ADMIN',
    text: ({ serviceAccountId }) => `removeServiceAccount(id: "${serviceAccountId}") { id }`,
  },
  createOidcProvider: {
    permission: 'identity-provider:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: () =>
      `createOidcProvider(input: { name: "${unique('p')}", issuer: "https://id.acme.example", clientId: "x" }) { id }`,
  },
  createSamlProvider: {
    permission: 'identity-provider:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: () => `createSamlProvider(input: { name: "${unique('p')}", issuer: "urn:acme",
      signInUrl: "https://id.acme.example/saml", certificates: ["${CERTIFICATE}"] }) { id }`,
  },
  updateIdentityProvider: {
    permission: 'identity-provider:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ identityProviderId }) =>
      `updateIdentityProvider(input: { id: "${identityProviderId}", name: "x" }) { id }`,
  },
  deleteIdentityProvider: {
    permission: 'identity-provider:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ identityProviderId }) => `deleteIdentityProvider(id: "${identityProviderId}")`,
  },
  createScimDirectory: {
    permission: 'scim:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: () => `createScimDirectory(input: { name: "${unique('s')}" }) { token }`,
  },
  updateScimDirectory: {
    permission: 'scim:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ scimDirectoryId }) => `updateScimDirectory(input: { id: "${scimDirectoryId}", name: "x" }) { id }`,
  },
  setScimGroupRole: {
    permission: 'scim:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ scimGroupId }) => `setScimGroupRole(input: { groupId: "${scimGroupId}", role: VIEWER }) { id }`,
  },
  replaceScimToken: {
    permission: 'scim:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ scimDirectoryId }) => `replaceScimToken(id: "${scimDirectoryId}") { token }`,
  },
  deleteScimDirectory: {
    permission: 'scim:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ scimDirectoryId }) => `deleteScimDirectory(id: "${scimDirectoryId}")`,
  },
  releaseSlug: {
    permission: 'slug:release',
    from: 'OWNER',
    text: ({ formerSlug }) => `releaseSlug(slug: "${formerSlug}") { slug }`,
  },
  grantSupportAccess: {
    permission: 'support:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: () =>
      `grantSupportAccess(input: { scope: READ, expiresAt: "${new Date(Date.now() + 3_600_000).toISOString()}" }) { id }`,
  },
  revokeSupportAccess: {
    permission: 'support:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ supportAccessGrantId }) => `revokeSupportAccess(id: "${supportAccessGrantId}") { id }`,
  },
  endImpersonation: {
    permission: 'support:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ impersonationId }) => `endImpersonation(id: "${impersonationId}") { id }`,
  },
  exportUsage: {
    permission: 'usage:read',
    from: 'VIEWER',
    text: () => 'exportUsage(input: { format: CSV, from: "2026-10-01", to: "2026-10-31" }) { url }',
  },
  withdrawOrganization: {
    permission: 'account:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ accountId }) => `withdrawOrganization(accountId: "${accountId}") { id }`,
  },
  offerOrganization: {
    permission: 'account:manage',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ accountId }) => `offerOrganization(accountId: "${accountId}") { id }`,
  },
  exportOrganization: {
    permission: 'organization:export',
    from: 'OWNER',
    text: () => 'exportOrganization { url }',
  },
  requestOrganizationDeletion: {
    permission: 'organization:delete',
    from: 'OWNER',
    text: ({ slug }) => `requestOrganizationDeletion(confirm: "${slug}") { status }`,
  },
  cancelOrganizationDeletion: {
    permission: 'organization:delete',
    from: 'OWNER',
    alone: 'CONFLICT',
    text: () => 'cancelOrganizationDeletion { status }',
  },
  transferOwnership: {
    permission: 'ownership:transfer',
    from: 'OWNER',
    ownersOnly: true,
    text: ({ developerId }) => `transferOwnership(userId: "${developerId}") { role }`,
  },
};
