import { type Act, bySystem, type Origin } from '../data/connection/act.js';
import type { Viewer } from './viewer.js';
import type { Outside } from '../data/connection/outside.js';
import type { VerifiedOrgId } from '../data/id.js';
import type { RequestDb } from '../data/organization/organization-db.js';
import { OrgateError } from '../errors.js';
import { openImpersonations } from '../identity/impersonations.js';
import type { Claimant } from '../identity/claims.js';
import { type Registry, openRegistry, type SessionScope } from '../identity/registry.js';
import type { ActiveMembership, OrganizationSummary, Person } from '../identity/person.js';
import type { Use } from '../parts.js';
import type { Catalogue, Permission, Role } from '../permissions/catalogue.js';
import { CATALOGUE, type Deployment } from './deployment.js';
import { isRefusal, REFUSALS, type Tried } from './refusal.js';

/** What told the organization of this request. */
export type ContextSource = 'HOST' | 'PATH' | 'HEADER' | 'TOKEN' | 'API_KEY' | 'DEFAULT' | 'SOLE_MEMBERSHIP';

/**
 * The organization of this request. The viewer's membership was read in this request and is active. For the token of a
 * claim that claim was: `membership` stands in for one, and there are no permissions.
 */
export interface CurrentOrganization {
  readonly orgId: VerifiedOrgId;
  readonly organization: OrganizationSummary;
  readonly membership: ActiveMembership;
  readonly role: Role;
  readonly permissions: ReadonlySet<Permission>;
  readonly source: ContextSource;
  /** False when the organization is only the default among several: writes name their organization. */
  readonly servesMutations: boolean;
}

/** What the operation of a request cost, and what is left of the minute, in points. */
export interface Spending {
  readonly cost: number;
  readonly limit: number;
  readonly remaining: number;
  readonly resetAt: Date;
}

/** In whose name a token acts that somebody's claim made. */
function actOfClaimant(by: Claimant): Act {
  if (by.kind === 'EXECUTOR') return by;
  const { userId } = by.membership;
  if (by.isServiceAccount) return { kind: 'SERVICE_ACCOUNT', id: userId };
  return by.apiKeyId === null
    ? { kind: 'PERSON', id: userId }
    : { kind: 'API_KEY', id: by.apiKeyId, onBehalfOf: userId };
}

/**
 * One request: one viewer or none, one organization or none. Neither changes, so that whatever a rule has read stays
 * true until the request ends; only what the request has spent is noted as it goes.
 */
export class RequestContext {
  /** Apollo copies the context object, field by field; what is made later is kept where every copy finds it. */
  private readonly made: { db?: RequestDb; spending?: Spending; readonly once: Map<unknown, unknown> } = {
    once: new Map(),
  };

  constructor(
    readonly requestId: string,
    readonly viewer: Viewer | null,
    readonly current: CurrentOrganization | null,
    readonly deployment: Deployment,
    /** The network address that the request came from. */
    readonly address: string | null = null,
    /** What the host of the request names, if anything; that this is anyone's, or that the viewer belongs there, it does not say. */
    readonly host: string | null = null,
  ) {}

  /**
   * Whether whoever acts as a member still may change something: looked at anew before each mutation of a document, since those before it
   * may have taken long. What was under way already the database refuses, where the grant is gone.
   */
  async stillActing(): Promise<true | OrgateError> {
    const { viewer, organization, person, outside } = this;
    const { id, by } = viewer?.impersonation ?? {};
    if (id === undefined || by === undefined) return true;
    const named = { orgId: organization.orgId, id, actorId: by.id, userId: person.id };
    const still = await outside(openImpersonations).find(named, null);
    if (!still) return new OrgateError('UNAUTHENTICATED');
    return still.impersonation.scope === 'WRITE' ? true : new OrgateError('READ_ONLY');
  }

  /** The same viewer in the same organization, and nothing read yet. */
  anew(): RequestContext {
    return new RequestContext(this.requestId, this.viewer, this.current, this.deployment, this.address, this.host);
  }

  /** The current organization's database, and no other's. ORG_CONTEXT_REQUIRED without one. */
  get db(): RequestDb {
    return (this.made.db ??= this.deployment.organizationDb(this.organization.orgId, this.actHere));
  }

  /** The current organization; ORG_CONTEXT_REQUIRED without one. */
  get organization(): CurrentOrganization {
    if (!this.current) throw new OrgateError('ORG_CONTEXT_REQUIRED');
    return this.current;
  }

  /** The person asking; UNAUTHENTICATED without anyone, FORBIDDEN for a machine. */
  get person(): Person {
    if (!this.viewer) throw new OrgateError('UNAUTHENTICATED');
    if (!this.viewer.person) throw new OrgateError('FORBIDDEN', 'Only a person can do this, no key.');
    return this.viewer.person;
  }

  /** The member who acts in the current organization, a person or a service account; what they make refers to it. */
  get actorId(): string {
    return this.organization.membership.userId;
  }

  /** What the record says of the request. */
  get origin(): Origin {
    const { requestId, address } = this;
    return { requestId, ...(address !== null && { address }) };
  }

  /** As `act`, for the current organization: called as it calls them, which the database would look up with every row. */
  private get actHere(): Act {
    const { act, current } = this;
    return current && act.kind !== 'API_KEY' ? { name: current.membership.name, ...act } : act;
  }

  /** As `act`, for an organization in which the person is nobody: called as the deployment calls them. */
  get actElsewhere(): Act {
    return { ...this.act, name: this.person.name };
  }

  /** In whose name whatever this request changes is changed. */
  get act(): Act {
    const { viewer, origin: from } = this;
    if (viewer?.impersonation) {
      const { id: impersonationId, by, reason } = viewer.impersonation;
      const acting = { onBehalfOf: this.actorId, impersonationId, reason };
      return { kind: 'PERSON', id: by.id, name: by.name, ...acting, ...from };
    }
    if (viewer?.person) return { kind: 'PERSON', id: viewer.person.id, ...from };
    if (viewer?.executor) return { kind: 'EXECUTOR', id: viewer.executor.id, name: viewer.executor.name, ...from };
    if (viewer?.claim) return { ...actOfClaimant(viewer.claim.by), ...from };
    if (!viewer?.apiKey) return { ...bySystem('nobody signed in'), ...from };
    const { id, name, isOfServiceAccount } = viewer.apiKey;
    if (isOfServiceAccount) return { kind: 'SERVICE_ACCOUNT', id: this.actorId, ...from };
    return { kind: 'API_KEY', id, name, onBehalfOf: this.actorId, ...from };
  }

  /** Whose memberships count for this viewer; UNAUTHENTICATED without one. */
  get sessionScope(): SessionScope {
    const { boundOrgId = null, startedAt = null } = this.viewer?.session ?? {};
    return { personId: this.person.id, boundOrgId, startedAt };
  }

  /** Notes what was refused in the current organization. Of attempts from outside no organization learns. */
  noteRefusal(tried: Tried, error: unknown): void {
    const { current, actHere: act } = this;
    if (!current || !isRefusal(error)) return;
    this.use(REFUSALS).note({ orgId: current.orgId, act, tried, error });
  }

  /** Null where points are not counted. Of what is left to the person or key, and to the organization, the less. */
  get spending(): Spending | null {
    return this.made.spending ?? null;
  }

  noteSpending(spending: Spending): void {
    this.made.spending = spending;
  }

  /** What is made once in a request, whoever asks first, such as a loader; by what makes it. */
  once<T>(make: (context: RequestContext) => T): T {
    const { once } = this.made;
    if (!once.has(make)) once.set(make, make(this));
    return once.get(make) as T;
  }

  /** Lets go of what was read and made so far: whoever takes an answer slowly, or waits for the next one, holds nothing of that. */
  letGo(): void {
    delete this.made.db;
    this.made.once.clear();
  }

  /** Gives a part of the deployment by its name. */
  get use(): Use {
    return this.deployment.use;
  }

  /** Statements outside any one organization. */
  get outside(): Outside {
    return this.deployment.outside;
  }

  get registry(): Registry {
    return this.outside(openRegistry);
  }

  get catalogue(): Catalogue {
    return this.use(CATALOGUE);
  }
}
