import { badInput } from '../../errors.js';
import type { MutationResolvers } from '../../generated/graphql.js';

/** Every word that `action` has, and what happened. docs/audit.md prints them, and tests hold the database to them. */
export const ACTIONS = {
  'organization.created': 'The organization was made.',
  'organization.updated': 'Its name, description, settings, limits or subscription changed.',
  'organization.active': 'It is no longer suspended.',
  'organization.suspended': 'It was suspended: reads answer, mutations do not.',
  'organization.deleted': 'It was deleted.',
  'membership.created': 'Someone, or a service account, got a place: as a member, or invited.',
  'membership.updated': 'A role, permissions, a name or an address changed, or a removal was cleared.',
  'membership.invited': 'Someone who was removed was invited again.',
  'membership.active': 'Someone joined, came back or was reinstated.',
  'membership.suspended': 'A member was suspended.',
  'membership.removed': 'A member left, or was removed.',
  'membership.deleted': 'A place that nobody ever took was given up.',
  'repository.created': 'A repository was made.',
  'repository.updated': 'A repository changed.',
  'repository.deleted': 'A repository was deleted.',
  'agent.created': 'An agent was made.',
  'agent.updated': 'An agent changed.',
  'agent.deleted': 'An agent was deleted.',
  'run.created': 'A run was started.',
  'run.updated': 'Something of a run changed that is not its status, such as that its agent was deleted.',
  'run.queued': 'A run waits again.',
  'run.running': 'A run is worked on.',
  'run.succeeded': 'A run was done.',
  'run.failed': 'A run went wrong.',
  'run.cancelled': 'A run was stopped.',
  'run.deleted': 'A run was deleted.',
  'identity_provider.created': 'An identity provider was added.',
  'identity_provider.updated': 'An identity provider changed.',
  'identity_provider.active': 'An identity provider is in use again.',
  'identity_provider.disabled': 'An identity provider is not used any more.',
  'identity_provider.deleted': 'An identity provider was deleted.',
  'domain.created': 'A domain was claimed.',
  'domain.updated': 'Who may join by a domain changed.',
  'domain.pending': 'A domain is to be proved again.',
  'domain.verified': 'A domain was proved.',
  'domain.lapsed': 'A domain was lost, since its record is gone.',
  'domain.deleted': 'A domain was removed.',
  'join_request.created': 'Someone asked to join.',
  'join_request.updated': 'Something of a request to join changed that is not its status.',
  'join_request.pending': 'Someone asked to join again.',
  'join_request.approved': 'Whoever asked to join was let in.',
  'join_request.declined': 'Whoever asked to join was not let in.',
  'join_request.deleted': 'A request to join was dropped.',
  'invitation.created': 'Someone was invited.',
  'invitation.updated': 'An invitation was sent again or prolonged, or a new one was asked for.',
  'invitation.pending': 'An invitation that was over is open again.',
  'invitation.accepted': 'An invitation was accepted.',
  'invitation.declined': 'An invitation was turned down.',
  'invitation.revoked': 'An invitation was taken back, or nobody stands behind it any more.',
  'invitation.deleted': 'An invitation was deleted.',
  'api_key.created': 'A key was made.',
  'api_key.updated': 'A key changed: it ends at another time, or another took its place.',
  'api_key.revoked': 'A key was revoked.',
  'api_key.deleted': 'A key was deleted.',
  'scim_directory.created': 'A directory of people was connected.',
  'scim_directory.updated': 'A directory changed, or got another token.',
  'scim_directory.deleted': 'A directory was disconnected.',
  'scim_user.created': 'A directory made someone known.',
  'scim_user.updated': 'What a directory says of someone changed.',
  'scim_user.deleted': 'A directory no longer knows someone.',
  'scim_group.created': 'A directory made a group.',
  'scim_group.updated': 'What a group is called, or the role that it gives, changed.',
  'scim_group.deleted': 'A group is gone.',
  'scim_group.members_added': 'People came into a group; `changes` names them, a hundred in an entry.',
  'scim_group.members_removed': 'People went out of a group; `changes` names them, a hundred in an entry.',
  'audit_export.created': 'A link to the record was made.',
  'audit_export.updated': 'An export of the record was read to its end.',
  'audit_export.deleted': 'An export was deleted.',
  'audit.streamed': 'The record was fetched by a SIEM; told once a day of each that does.',
  'data_key.created': 'The key that the organization’s secrets are sealed under was made.',
  'data_key.updated': 'That key was sealed under another secret key of the deployment, by `npm run rotate-keys`.',
  'data_key.deleted': 'That key was deleted, and with it what was sealed under it.',
  'session.created': 'Someone signed in: through the organization’s own provider, or into the deployment.',
  'session.updated': 'Something of a session changed.',
  'session.ended': 'A session was ended: by signing out, or revoked.',
  'session.deleted': 'What ended long ago was forgotten.',
  'person.created': 'A person became known to the deployment.',
  'person.updated': 'A name, an address, a default organization or the system role of a person changed.',
  'person.active': 'A person’s account is in use again.',
  'person.disabled': 'A person’s account was disabled.',
  'person.deleted': 'A person was deleted.',
  'identity.created': 'A way to sign in was tied to a person.',
  'identity.updated': 'A way to sign in was tied to another person.',
  'identity.deleted': 'A way to sign in was taken from a person.',
  'signing_key.created': 'A key that signs tokens was made.',
  'signing_key.updated': 'A key that signs tokens changed.',
  'signing_key.deleted': 'A key that signed tokens was dropped.',
  'system_admin.granted': 'A person was made SYSTEM_ADMIN, by `npm run system-admin`.',
  'system_admin.revoked': 'A person is SYSTEM_ADMIN no longer.',
  'agent.read': 'Agents were to be read.',
  'api_key.read': 'Keys were to be read.',
  'api_key.manage': 'Keys of others were to be read.',
  'audit.read': 'The record was to be read.',
  'domain.read': 'Domains were to be read.',
  'identity_provider.manage': 'Identity providers were to be read.',
  'member.invite': 'Invitations or requests to join were to be read.',
  'member.read': 'Members were to be read.',
  'member.remove': 'What would go with a member was to be read.',
  'organization.read': 'The organization was to be read.',
  'repository.read': 'Repositories were to be read.',
  'run.read': 'Runs were to be read.',
  'scim.manage': 'Directories were to be read.',
  'service_account.read': 'Service accounts were to be read.',
  'usage.read': 'Usage was to be read.',
} as const satisfies Readonly<Record<string, string>>;

export type AuditAction = keyof typeof ACTIONS;

export const isAction = (word: string): word is AuditAction => Object.hasOwn(ACTIONS, word);

/** A word of the list, or none. @throws BAD_USER_INPUT at `argument` */
export function parseAction(word: string | null | undefined, argument: string): AuditAction | null {
  if (word == null || isAction(word)) return word ?? null;
  const kindOf = (action: string) => action.split('.')[0] ?? '';
  const words = Object.keys(ACTIONS);
  const alike = words.filter((action) => kindOf(action) === kindOf(word));
  const named =
    alike.length > 0
      ? `There are ${alike.join(', ')}.`
      : `It begins with one of ${[...new Set(words.map(kindOf))].join(', ')}, and a dot.`;
  throw badInput(argument, `There is no such action. ${named}`);
}

/** What a mutation leaves in the record. */
export interface Recorded {
  /** What it is called there, done or refused. */
  readonly action: AuditAction;
  /** In whose record: that of the request's organization, of the deployment, or of whichever organization its argument leads to. */
  readonly of: 'current' | 'deployment' | 'another';
}

const inCurrent = (action: AuditAction): Recorded => ({ action, of: 'current' });
const inAnother = (action: AuditAction): Recorded => ({ action, of: 'another' });
const inDeployment = (action: AuditAction): Recorded => ({ action, of: 'deployment' });

/** What each mutation leaves; null of what changes nothing. One that is not here does not compile. */
export const RECORDED: Readonly<Record<keyof MutationResolvers, Recorded | null>> = {
  createAgent: inCurrent('agent.created'),
  updateAgent: inCurrent('agent.updated'),
  deleteAgent: inCurrent('agent.deleted'),
  createApiKey: inCurrent('api_key.created'),
  rotateApiKey: inCurrent('api_key.created'),
  revokeApiKey: inCurrent('api_key.revoked'),
  addDomain: inCurrent('domain.created'),
  verifyDomain: inCurrent('domain.verified'),
  removeDomain: inCurrent('domain.deleted'),
  createOidcProvider: inCurrent('identity_provider.created'),
  createSamlProvider: inCurrent('identity_provider.created'),
  updateIdentityProvider: inCurrent('identity_provider.updated'),
  deleteIdentityProvider: inCurrent('identity_provider.deleted'),
  inviteUser: inCurrent('invitation.created'),
  resendInvitation: inCurrent('invitation.updated'),
  revokeInvitation: inCurrent('invitation.revoked'),
  acceptInvitation: inAnother('invitation.accepted'),
  exportAudit: inCurrent('audit_export.created'),
  declineInvitation: inAnother('invitation.declined'),
  requestNewInvitation: inAnother('invitation.updated'),
  requestToJoin: inAnother('join_request.created'),
  setDomainJoining: inCurrent('domain.updated'),
  approveJoinRequest: inCurrent('join_request.approved'),
  declineJoinRequest: inCurrent('join_request.declined'),
  clearRemoval: inCurrent('membership.updated'),
  updateMemberRole: inCurrent('membership.updated'),
  updateMemberPermissions: inCurrent('membership.updated'),
  suspendMember: inCurrent('membership.suspended'),
  reinstateMember: inCurrent('membership.active'),
  removeMember: inCurrent('membership.removed'),
  leaveOrganization: inCurrent('membership.removed'),
  transferOwnership: inCurrent('membership.updated'),
  createOrganization: inAnother('organization.created'),
  updateOrganization: inCurrent('organization.updated'),
  switchOrganization: null,
  setDefaultOrganization: inDeployment('person.updated'),
  createRepository: inCurrent('repository.created'),
  updateRepository: inCurrent('repository.updated'),
  deleteRepository: inCurrent('repository.deleted'),
  startRun: inCurrent('run.created'),
  recordRunProgress: inCurrent('run.running'),
  cancelRun: inCurrent('run.cancelled'),
  createScimDirectory: inCurrent('scim_directory.created'),
  updateScimDirectory: inCurrent('scim_directory.updated'),
  setScimGroupRole: inCurrent('scim_group.updated'),
  replaceScimToken: inCurrent('scim_directory.updated'),
  deleteScimDirectory: inCurrent('scim_directory.deleted'),
  createServiceAccount: inCurrent('membership.created'),
  updateServiceAccount: inCurrent('membership.updated'),
  removeServiceAccount: inCurrent('membership.removed'),
  revokeSession: inDeployment('session.ended'),
  signOut: inDeployment('session.ended'),
  signOutEverywhere: inDeployment('session.ended'),
};
