import {
  AuditActorKind,
  AuditExportFormat,
  AuditOutcome,
  DomainJoining,
  DomainProblem,
  DomainStatus,
  ExternalAgentPolicy,
  IdentityProviderKind,
  IdentityProviderStatus,
  InvitationStatus,
  JoinRequestStatus,
  MailStatus,
  MembershipStatus,
  OrganizationRole,
  OrganizationStatus,
  RunStatus,
  SubscriptionPlan,
  SubscriptionStatus,
} from '../../generated/enums.js';

/** Roles that are given to whoever comes along. */
const { OWNER: _owner, ADMIN: _admin, ...JoiningRole } = OrganizationRole;
/** Time makes an invitation EXPIRED; it is not stored. */
const { EXPIRED: _expired, ...StoredInvitationStatus } = InvitationStatus;

/**
 * Text columns that hold one of a few words: those of the contract, but for the kinds of what only the store tells apart.
 * The types of rows say so, and a test holds the database's constraints to it.
 */
export const WORDS = {
  Address: { kind: { SLUG: 'SLUG', DOMAIN: 'DOMAIN' } },
  AuditEntry: { actorKind: AuditActorKind, outcome: AuditOutcome },
  AuditExport: { format: AuditExportFormat, makerKind: AuditActorKind },
  IdentityProvider: { kind: IdentityProviderKind, status: IdentityProviderStatus, defaultRole: JoiningRole },
  Invitation: { status: StoredInvitationStatus, mailStatus: MailStatus },
  JoinRequest: { status: JoinRequestStatus },
  Membership: {
    kind: { PERSON: 'PERSON', SERVICE_ACCOUNT: 'SERVICE_ACCOUNT' },
    role: OrganizationRole,
    status: MembershipStatus,
    leftRole: OrganizationRole,
  },
  Organization: {
    status: OrganizationStatus,
    externalAgentPolicy: ExternalAgentPolicy,
    plan: SubscriptionPlan,
    subscriptionStatus: SubscriptionStatus,
  },
  OrganizationDomain: {
    status: DomainStatus,
    checkProblem: DomainProblem,
    joining: DomainJoining,
    joiningRole: JoiningRole,
  },
  Run: { status: RunStatus },
  ScimDirectory: { defaultRole: JoiningRole },
  ScimGroup: { role: OrganizationRole },
  ScimUser: { leftAs: { SUSPENDED: MembershipStatus.SUSPENDED, REMOVED: MembershipStatus.REMOVED } },
} as const;

/** The fields of a row, with the words that they hold in the place of text. */
export type Worded<M, Fields> = M extends keyof typeof WORDS
  ? { [F in keyof Fields]: F extends keyof (typeof WORDS)[M] ? Word<(typeof WORDS)[M][F], Fields[F]> : Fields[F] }
  : Fields;

type Word<Words, Text> = keyof Words | Extract<Text, null>;
