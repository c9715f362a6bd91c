import type { RequestContext } from '../context/context.js';
import type { Viewer } from '../context/viewer.js';
import { ORGANIZATION_CREATION } from '../context/deployment.js';
import { OrgateError } from '../errors.js';
import type { Permission } from './catalogue.js';
import { notOfSet, notServed } from './organization-status.js';
import { decideFeature, type FeatureName } from './features.js';

/** What is about to be done: an organization that is not active, or was only guessed, is read and not written. */
export type AccessMode = 'read' | 'write';
type Verdict = true | OrgateError;
/** @param parent what the field is one of, where that is not the contract's root */
type Check = (context: RequestContext, mode: AccessMode, parent: unknown) => Verdict;

/** A rule reads the context and nothing else: it never queries, and never waits. It knows no GraphQL. */
export interface Rule {
  readonly name: string;
  /** The permission it asks for, if any. */
  readonly permission: Permission | null;
  /** Whether it refuses keys, whatever they may. */
  readonly isForPersons: boolean;
  readonly check: Check;
}

const makeRule = (name: string, permission: Permission | null, check: Check, isForPersons = false): Rule => ({
  name,
  permission,
  isForPersons,
  check,
});

/** For fields whose parent was reached through a rule already. Costs nothing: it is left out of the running schema. */
export const allow: Rule = makeRule('allow', null, () => true);

/** Whoever asks, signed in or not: for the little that is anybody's to know before they sign in. */
export const isAnybody: Rule = makeRule('isAnybody', null, () => true);

export const isSignedIn: Rule = makeRule('isSignedIn', null, ({ viewer }) => {
  if (!viewer) return new OrgateError('UNAUTHENTICATED');
  return viewer.executor || viewer.claim ? new OrgateError('FORBIDDEN') : true;
});

function asPerson(viewer: Viewer | null): Verdict {
  if (!viewer) return new OrgateError('UNAUTHENTICATED');
  return viewer.person ? true : new OrgateError('FORBIDDEN', 'Only a person can do this, no key.');
}

function asUnboundPerson(viewer: Viewer | null): Verdict {
  const verdict = asPerson(viewer);
  if (verdict !== true || viewer?.session.boundOrgId == null) return verdict;
  return new OrgateError('FORBIDDEN', 'This session reaches one organization only.');
}

/**
 * Whether somebody who acts as a member may change anything by this: nothing while they only look, and never what the catalogue does
 * not mark for them, whatever the member may. Asked before each rule of a mutation, so that what is new is shut to them.
 */
export function mayForSomebodyElse({ viewer, catalogue }: RequestContext, permission: Permission | null): Verdict {
  if (!viewer?.impersonation) return true;
  if (viewer.impersonation.scope === 'READ') return new OrgateError('READ_ONLY');
  if (permission !== null && catalogue.isVendors(permission)) return true;
  return new OrgateError('FORBIDDEN', 'Nobody does this for somebody else, whatever was granted.');
}

/** As a person who asks for what is theirs alone: nobody sees it who acts as them. */
export const isOneself: Rule = makeRule('isOneself', null, ({ viewer }) => {
  if (viewer?.impersonation) return new OrgateError('FORBIDDEN', 'Nobody sees this of somebody else.');
  return asPerson(viewer);
});

/**
 * As a person, by whatever session: their own, one that an organization's provider began, or that of somebody who acts as them and so
 * reads what they are there. No key does this for them; what is a mutation nobody does who acts as them, see `mayForSomebodyElse`.
 */
export const isPerson: Rule = makeRule('isPerson', null, ({ viewer }) => asPerson(viewer));

/** The same, and not signed in by one organization's own provider: that speaks for the person in there only. */
export const isUnboundPerson: Rule = makeRule('isUnboundPerson', null, ({ viewer }) => asUnboundPerson(viewer));

/** Of what no organization gives anyone: its roles have nothing to do with it. */
const notSystemAdmin = (): OrgateError => new OrgateError('FORBIDDEN', 'Only a system administrator can do this.');

export const isSystemAdmin: Rule = makeRule('isSystemAdmin', null, (context) => {
  if (!context.viewer) return new OrgateError('UNAUTHENTICATED');
  return context.viewer.person?.systemRole === 'SYSTEM_ADMIN' ? true : notSystemAdmin();
});

/** Such a person, unless the deployment leaves it to its system administrators. */
export const canCreateOrganization: Rule = makeRule('canCreateOrganization', null, ({ viewer, use }) => {
  const verdict = asUnboundPerson(viewer);
  if (verdict !== true) return verdict;
  if (use(ORGANIZATION_CREATION) === 'anyone' || viewer?.person?.systemRole === 'SYSTEM_ADMIN') return true;
  return notSystemAdmin();
});

const memo = <K extends string>(make: (key: K) => Rule) => {
  const made = new Map<K, Rule>();
  return (key: K): Rule => {
    const known = made.get(key) ?? make(key);
    made.set(key, known);
    return known;
  };
};

/**
 * Also while the organization is to be deleted, or whatever becomes of it, or by whomever of it then; otherwise only while it is
 * served.
 */
type Standing = 'served' | 'leaving' | 'any' | 'by anyone';

function isInside({ viewer, current }: RequestContext, mode: AccessMode, during: Standing = 'served'): Verdict {
  if (!viewer) return new OrgateError('UNAUTHENTICATED');
  if (!current) return new OrgateError('ORG_CONTEXT_REQUIRED');
  const { status } = current.organization;
  if (status === 'PENDING_DELETION' && during !== 'by anyone') {
    const isOwner = current.role === 'OWNER' && viewer.person !== null;
    if (!isOwner || (mode === 'write' && during === 'served')) return notServed(status);
  }
  if (mode === 'write') {
    if (!current.servesMutations) return new OrgateError('ORG_CONTEXT_REQUIRED');
    if (status === 'SUSPENDED' && during !== 'any' && during !== 'by anyone') return notServed(status);
  }
  return true;
}

function mayInOrganization(
  permission: Permission,
  context: RequestContext,
  mode: AccessMode,
  during: Standing = 'served',
): Verdict {
  const verdict = isInside(context, mode, during);
  if (verdict === true && context.organization.membership.isBarred) return notOfSet();
  if (verdict !== true || context.organization.permissions.has(permission)) return verdict;
  return new OrgateError('FORBIDDEN', undefined, { requiredPermission: permission });
}

/** In the current organization, as a person, whatever they may there, and whatever becomes of it: whoever wants out gets out. */
export const isMember: Rule = makeRule('isMember while SUSPENDED or PENDING_DELETION, too', null, (context, mode) => {
  const verdict = isInside(context, mode, 'by anyone');
  return verdict === true ? asPerson(context.viewer) : verdict;
});

/** The same, of what is theirs alone there: nobody sees it who acts as them. */
export const isMemberOneself: Rule = makeRule('isMemberOneself', null, (context, mode, parent) => {
  const verdict = isInside(context, mode);
  if (verdict !== true) return verdict;
  return context.organization.membership.isBarred ? notOfSet() : isOneself.check(context, mode, parent);
});

/** In the current organization, with this permission. */
export const can = memo<Permission>((permission) =>
  makeRule(`can(${permission})`, permission, (context, mode) => mayInOrganization(permission, context, mode)),
);

/**
 * With this permission in the current organization; or the parent is a run that whoever asks started there, or has claimed. For what is in a run:
 * whoever reports on one, or cancels it, is answered that run, and need not be who reads it.
 */
export const canOrWorksOn = memo<Permission>((permission) =>
  makeRule(`can(${permission}), or theirs`, permission, (context, mode, parent) => {
    const { id, createdById } = parent as { readonly id: string; readonly createdById: string };
    const isTheirs = context.viewer?.claim ? context.viewer.claim.runId === id : createdById === context.actorId;
    return isTheirs || mayInOrganization(permission, context, mode);
  }),
);

/** The parent is no member of the current organization, or is who asks; or the viewer has this permission there. */
export const canOfMembers = memo<Permission>((permission) =>
  makeRule(`can(${permission}) of members, or oneself`, permission, (context, mode, parent) => {
    const { id, isMember: isOfMember } = parent as { readonly id: string; readonly isMember: boolean };
    const isOneselfThere = id === context.current?.membership.userId || id === context.viewer?.person?.id;
    return !isOfMember || isOneselfThere || mayInOrganization(permission, context, mode);
  }),
);

/** An executor of the deployment, whatever organizations let it; or in the current organization, which has executors of its own. */
export const canClaim: Rule = makeRule('canClaim', 'run:claim', (context, mode, parent) =>
  context.viewer?.executor ? true : withFeature('own_executors', can('run:claim')).check(context, mode, parent),
);

/** Whoever claimed a run, with the token for it; or in the current organization, with this permission. */
export const canReport: Rule = makeRule('canReport', 'run:record', (context, mode, parent) =>
  context.viewer?.claim ? isInside(context, mode) : can('run:record').check(context, mode, parent),
);

/** Whoever claimed a run, with the token for it, where the organization is served in full. */
export const hasClaim: Rule = makeRule('hasClaim', null, (context) => {
  if (!context.viewer) return new OrgateError('UNAUTHENTICATED');
  return context.viewer.claim
    ? isInside(context, 'write')
    : new OrgateError('FORBIDDEN', 'Send the token of a claimed run, which claimRuns answers.');
});

/** The same, and the organization was named: what is sensitive is not read because it happens to be the default among several. */
export const canWhereNamed = memo<Permission>((permission) =>
  makeRule(`canWhereNamed(${permission})`, permission, (context, info) => {
    const verdict = mayInOrganization(permission, context, info);
    return verdict === true && !context.organization.servesMutations
      ? new OrgateError('ORG_CONTEXT_REQUIRED')
      : verdict;
  }),
);

/** The same, or whoever runs the deployment: of which organization is for whoever answers to tell by the arguments. */
export const canWhereNamedOrSystemAdmin = memo<Permission>((permission) =>
  makeRule(`canWhereNamedOrSystemAdmin(${permission})`, permission, (context, mode, parent) =>
    context.viewer?.person?.systemRole === 'SYSTEM_ADMIN'
      ? true
      : canWhereNamed(permission).check(context, mode, parent),
  ),
);

/** The same, and no key: what outlives whoever made it is made by people. */
export const canAsPerson = memo<Permission>((permission) =>
  makeRule(
    `canAsPerson(${permission})`,
    permission,
    (context, mode) => {
      const verdict = mayInOrganization(permission, context, mode);
      return verdict === true ? asPerson(context.viewer) : verdict;
    },
    true,
  ),
);

/**
 * `canAsPerson`, or a person whom no one organization's own provider signed in: of which organization is for whoever answers to tell by the
 * arguments, and what they may there.
 */
export const canAsPersonOrElsewhere = memo<Permission>((permission) =>
  makeRule(
    `canAsPerson(${permission}), or elsewhere`,
    null,
    (context, mode, parent) =>
      asUnboundPerson(context.viewer) === true || canAsPerson(permission).check(context, mode, parent),
    true,
  ),
);

/** `canAsPerson`, also while the organization is to be deleted. */
export const canAsPersonLeaving = memo<Permission>((permission) =>
  makeRule(
    `canAsPerson(${permission}) while PENDING_DELETION, too`,
    permission,
    (context, mode) => {
      const verdict = mayInOrganization(permission, context, mode, 'leaving');
      return verdict === true ? asPerson(context.viewer) : verdict;
    },
    true,
  ),
);

/** The same, whatever becomes of the organization: what takes back what was allowed is always possible. */
export const canAsPersonAlways = memo<Permission>((permission) =>
  makeRule(
    `canAsPerson(${permission}) while SUSPENDED or PENDING_DELETION, too`,
    permission,
    (context, mode) => {
      const verdict = mayInOrganization(permission, context, mode, 'any');
      return verdict === true ? asPerson(context.viewer) : verdict;
    },
    true,
  ),
);

/** As whoever runs the deployment, of what is their own; or as a person who lets them in, in the current organization. */
export const canEndImpersonation: Rule = makeRule(
  'canEndImpersonation',
  'support:manage',
  (context, mode) =>
    context.viewer?.person?.systemRole === 'SYSTEM_ADMIN'
      ? true
      : canAsPerson('support:manage').check(context, mode, null),
  true,
);

const extended = new Map<string, Rule>();

/** A rule that asks for more where another has said yes; of a name there is one. */
function andThen(name: string, rule: Rule, more: (context: RequestContext, mode: AccessMode) => Verdict): Rule {
  const known = extended.get(name) ?? {
    ...rule,
    name,
    check: (context: RequestContext, mode: AccessMode, parent: unknown): Verdict => {
      const verdict = rule.check(context, mode, parent);
      return verdict === true ? more(context, mode) : verdict;
    },
  };
  extended.set(name, known);
  return known;
}

/** A rule that takes another permission in the current organization, too. */
export const andCan = (permission: Permission, rule: Rule): Rule =>
  andThen(`${rule.name} and ${permission}`, rule, (context, mode) => mayInOrganization(permission, context, mode));

/** A rule that holds in the current organization only, and there only where it has this feature. */
export const withFeature = (feature: FeatureName, rule: Rule): Rule =>
  andThen(`${rule.name} with ${feature}`, rule, (context) =>
    decideFeature(context.organization.membership.standing, feature).enabled
      ? true
      : new OrgateError('FEATURE_DISABLED', undefined, { feature }),
  );

const isCurrent = (parent: unknown, { current }: RequestContext): boolean =>
  current !== null && typeof parent === 'object' && parent !== null && 'id' in parent && parent.id === current.orgId;

/** The parent is the current organization, and the viewer has this permission in it. */
export const ofCurrentOrganization = memo<Permission>((permission) =>
  makeRule(`ofCurrentOrganization(${permission})`, permission, (context, mode, parent) =>
    isCurrent(parent, context) ? mayInOrganization(permission, context, mode) : new OrgateError('ORG_CONTEXT_REQUIRED'),
  ),
);

/** The parent is the current organization, or the viewer runs the deployment. */
export const ofCurrentOrganizationOrSystemAdmin: Rule = makeRule(
  'ofCurrentOrganizationOrSystemAdmin',
  null,
  (context, _mode, parent) =>
    isCurrent(parent, context) || context.viewer?.person?.systemRole === 'SYSTEM_ADMIN'
      ? true
      : new OrgateError('ORG_CONTEXT_REQUIRED'),
);

/** The parent is the current organization, and the viewer has this permission in it; or it is any, and the viewer runs the deployment. */
export const ofCurrentWithOrSystemAdmin = memo<Permission>((permission) =>
  makeRule(`ofCurrentWithOrSystemAdmin(${permission})`, permission, (context, mode, parent) =>
    !isCurrent(parent, context) && context.viewer?.person?.systemRole === 'SYSTEM_ADMIN'
      ? true
      : ofCurrentOrganization(permission).check(context, mode, parent),
  ),
);
