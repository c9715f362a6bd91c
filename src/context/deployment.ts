import type { Outside } from '../data/connection/outside.js';
import type { OpenOrganizationDb } from '../data/organization/organization-db.js';
import { part, type Use } from '../parts.js';
import type { Regions } from '../regions.js';
import type { Catalogue } from '../permissions/catalogue.js';
import type { PlanWeights } from '../permissions/features.js';
import type { KeyEnvironment } from '../secrets/api-key-format.js';
import type { SessionIssuer } from './viewer.js';

/** What requests, jobs and doors work with: the data, and by name whatever else the deployment is made of. */
export interface Deployment {
  readonly outside: Outside;
  readonly organizationDb: OpenOrganizationDb;
  /** What periods are told by: the database's time, whatever the clock of this machine says. */
  readonly now: () => Date;
  readonly use: Use;
}

/** What time it is for everybody: the database's, which nothing moves. What others verify is told by it. */
export const REAL_TIME = part<() => Date>('real time');
export const CATALOGUE = part<Catalogue>('catalogue of permissions');
/** The origin that browsers and identity providers reach the gateway at. Known once it listens. */
export const PUBLIC_URL = part<() => string>('public URL');
/** Which keys are made here, and accepted. */
export const KEY_ENVIRONMENT = part<KeyEnvironment>('environment of keys');
/** Who may create an organization. */
export const ORGANIZATION_CREATION = part<'anyone' | 'system-admin'>('rule for new organizations');
/** Where organizations are homed, and which of that is here. */
export const REGIONS = part<Regions>('regions');
/** What slugs have to be like beside what a host name has to. */
export const NAMING_POLICY = part<'any' | 'regional'>('rule for names');
/** How many days an organization waits whose deletion was asked for. */
export const DELETION_GRACE_DAYS = part<number>('days before a deletion');
/** How runs, and work that is due, are shared out between organizations, by their plans. */
export const PLAN_WEIGHTS = part<PlanWeights>('weights of plans');
/** Whether `.example` and `.test`, which nobody can own, may be claimed. */
export const ALLOW_RESERVED_DOMAINS = part<boolean>('rule for reserved domains');
export const SESSION_ISSUER = part<SessionIssuer>('issuer of tokens');
/** Told of what failed beside a request. */
export const REPORT = part<(error: unknown, what: string) => void>('report of failures');
