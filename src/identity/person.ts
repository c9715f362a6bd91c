import type {
  Environment,
  OrganizationRole,
  OrganizationStatus,
  SubscriptionPlan,
  SystemRole,
} from '../generated/enums.js';

/** A human being, as the deployment knows them. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly systemRole: SystemRole;
  readonly status: 'ACTIVE' | 'DISABLED';
  readonly defaultOrgId: string | null;
}

/** An active membership, and what everyone who has it may know of the organization. */
export interface ActiveMembership {
  readonly id: string;
  readonly organization: OrganizationSummary;
  readonly userId: string;
  readonly email: string;
  readonly name: string;
  readonly role: OrganizationRole;
  readonly status: 'ACTIVE';
  readonly granted: readonly string[];
  readonly withheld: readonly string[];
  /** Whether they belong outside the organization's set, too, where it has only people who do not. */
  readonly isBarred: boolean;
  readonly createdAt: Date;
  readonly joinedAt: Date | null;
  /** What decides of the organization's features. */
  readonly standing: OrganizationStanding;
}

/** As it is stored: what its plan is, what it has otherwise, and what it switched off. */
export interface OrganizationStanding {
  readonly plan: SubscriptionPlan;
  readonly entitlements: unknown;
  readonly featureFlags: unknown;
}

/** What is known of an organization outside it. */
export interface OrganizationSummary {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly status: OrganizationStatus;
  readonly createdAt: Date;
  /** Its set, and what the names of the organizations in that begin with; null of one that is in none. */
  readonly setId: string | null;
  readonly base: string | null;
  readonly project: string | null;
  /** The tag of the region that it is homed in; null where that was not told when it was made. */
  readonly region: string | null;
  readonly environment: Environment | null;
}

/** Whom a verified token speaks for. The e-mail is there only when the issuer says that it verified it. */
export interface VerifiedIdentity {
  readonly issuer: string;
  readonly subject: string;
  readonly verifiedEmail: string | null;
  readonly name: string | null;
}

/** A membership, and the name that led to it: an id, or a slug that its organization has or had; null where none was named. */
export interface NamedMembership extends ActiveMembership {
  readonly named: string | null;
}

export interface PersonInOrganizations {
  readonly person: Person;
  /** By what was named; when nothing was, the stored default and up to two others. Active ones within the session's scope only. */
  readonly memberships: readonly NamedMembership[];
  /** Orgate's own session, which has not ended; null where another issuer's token was presented. */
  readonly session: LiveSession | null;
  /** Whom the cookie names that came beside a token; null without one, and for one that is over. */
  readonly cookiePersonId: string | null;
}

export interface LiveSession {
  readonly id: string;
  readonly boundOrgId: string | null;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date;
  readonly startedAt: Date;
}
