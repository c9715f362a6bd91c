import type { RequestContext } from '../../context/context.js';
import { SESSION_ISSUER } from '../../context/deployment.js';
import { membershipNamed } from '../../context/enter-beside.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, notFound, orNotFound } from '../../errors.js';
import type { OrganizationOrderField, Resolvers } from '../../generated/graphql.js';
import {
  allow,
  can,
  canAsPerson,
  canAsPersonLeaving,
  canCreateOrganization,
  isPerson,
  isUnboundPerson,
  isSystemAdmin,
  ofCurrentOrganization,
  ofCurrentOrganizationOrSystemAdmin,
  ofCurrentWithOrSystemAdmin,
} from '../../permissions/rules.js';
import { decideFeature, decideLimit, FEATURE_NAMES, LIMIT_NAMES, type LimitName } from '../../permissions/features.js';
import { countSeats } from '../../rights/seats.js';
import { setEntitlements } from './set-entitlements.js';
import { resumeOrganization, suspendOrganization, updateSubscription } from './set-standing.js';
import { allowing, defineDomain } from '../../resource/define-domain.js';
import { asked, type ListArgs, type Offer } from '../../resource/list.js';
import { connect } from '../../resource/paging.js';
import { listAgents } from '../agent/index.js';
import { compareCredentials } from '../credential/index.js';
import { listMembers } from '../membership/index.js';
import { listRepositories } from '../repository/index.js';
import { listRuns } from '../run/index.js';
import { countCalls, readUsage, readUsageElsewhere } from '../usage/index.js';
import { personUser } from '../viewer/parent.js';
import { type OrganizationParent, withMembership } from './parent.js';
import { cancelDeletion, requestDeletion } from './leaving/request-deletion.js';
import { heldUntil, leadsUntil, listFormerSlugs } from './former-slugs.js';
import { createOrganization } from './create-organization.js';
import { jobs } from './jobs.js';
import { record } from './record.js';
import { tellSeen } from './seen.js';
import { releaseSlug } from './release-slug.js';
import { assertMay, compareOrganizations } from './settings/compare-organizations.js';
import { toContract } from './settings/document.js';
import { changesIn, settingsVersions } from './settings/list-versions.js';
import { promoteSettings } from './settings/promote-settings.js';
import { rollbackSettings } from './settings/rollback-settings.js';
import { updateOrganization } from './update-organization.js';

export { candidatesFor, LIMITS_OF_NAMES, problemsOf } from './naming.js';

const OFFERED = {
  name: 'organizations',
  orders: { CREATED_AT: { by: 'id' }, NAME: { by: 'name' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['name', 'slug'],
} satisfies Offer<OrganizationParent, OrganizationOrderField>;

export { brandingIn, readBranding } from './settings/read-branding.js';

type OrganizationArgs = ListArgs<OrganizationOrderField>;

function listMyOrganizations(args: OrganizationArgs, { person, sessionScope, registry }: RequestContext) {
  const { order, search } = asked<OrganizationParent, OrganizationOrderField>(OFFERED, args);
  return connect(args, person.id, order, {
    read: async (page) =>
      (await registry.listMemberships(sessionScope, { ...page, search: search?.text })).map(withMembership),
    count: () => registry.countMemberships(sessionScope, search?.text),
    show: (rows) => rows,
  });
}

function listOrganizations(args: OrganizationArgs, context: RequestContext) {
  const { person, registry } = context;
  const { order, search } = asked<OrganizationParent, OrganizationOrderField>(OFFERED, args);
  return connect(args, person.id, order, {
    read: (page) => registry.listOrganizations({ ...page, search: search?.text }),
    count: () => registry.countOrganizations(search?.text),
    show: async (rows) => {
      await tellSeen(rows, context);
      return rows;
    },
  });
}

/** The row of the current organization; the rules let no other get here. */
const settingsRow = async ({ db, organization }: RequestContext): Promise<Row<'Organization'>> =>
  orNotFound(await db.organization.load(organization.orgId));

/** What a membership of another organization, or the current one, says of the viewer. */
function viewerAssignment(parent: OrganizationParent, context: RequestContext) {
  if (parent.id === context.current?.orgId) return context.current;
  if (!parent.membership) return null;
  const { role, granted, withheld } = parent.membership;
  return {
    role: role,
    permissions: context.catalogue.effective(role, granted, withheld),
  };
}

/** How many there are of what is limited. */
const USED: Readonly<Record<LimitName, (context: RequestContext) => Promise<number>>> = {
  seats: ({ db }) => countSeats(db),
  concurrent_runs: ({ db }) => db.run.count({ status: 'RUNNING' }),
  runs_per_day: ({ db }) => db.run.count({ createdAt: { gte: new Date(new Date(db.now()).setUTCHours(0, 0, 0, 0)) } }),
  api_calls_per_month: countCalls,
};

const resolvers = {
  Query: {
    currentOrganization: (_, _args, context) => context.organization.organization,
    myOrganizations: (_, args, context) => listMyOrganizations(args, context),
    organization: async (_, { slug, id }, context) => {
      const name = slug ?? id;
      if (name == null || (slug != null && id != null)) throw badInput('slug', 'Give exactly one of slug and id.');
      const membership = await membershipNamed(context, name);
      // `slug` takes no id and `id` no slug, though both are looked up in one place.
      const isFoundById = membership.organization.id === name;
      if (isFoundById !== (id != null)) throw notFound();
      return withMembership(membership);
    },
    organizations: (_, args, context) => listOrganizations(args, context),
    settingsVersions: (_, args, context) => settingsVersions.page(args, context),
    compareOrganizations: (_, args, context) => compareOrganizations(args, context),
  },
  Mutation: {
    createOrganization: (_, { input }, context) => createOrganization(input, context),
    updateOrganization: (_, { input }, context) => updateOrganization(input, context),
    rollbackSettings: (_, args, context) => rollbackSettings(args, context),
    promoteSettings: (_, { input }, context) => promoteSettings(input, context),
    requestOrganizationDeletion: (_, { confirm }, context) => requestDeletion(confirm, context),
    cancelOrganizationDeletion: (_, _args, context) => cancelDeletion(context),
    releaseSlug: (_, { slug }, context) => releaseSlug(slug, context),
    setEntitlements: (_, { input }, context) => setEntitlements(input, context),
    suspendOrganization: (_, args, context) => suspendOrganization(args, context),
    resumeOrganization: (_, { organizationId }, context) => resumeOrganization(organizationId, context),
    updateSubscription: (_, { input }, context) => updateSubscription(input, context),
    switchOrganization: async (_, { organizationId }, context) => {
      const membership = await membershipNamed(context, organizationId);
      if (!context.viewer) throw notFound();
      return {
        user: personUser(context.person),
        currentOrganization: withMembership(membership),
        token: await context.use(SESSION_ISSUER).issueFor(context.viewer, membership.organization.id),
      };
    },
    setDefaultOrganization: async (_, { organizationId }, context) => {
      const { person, registry, viewer, origin } = context;
      const membership = organizationId == null ? null : await membershipNamed(context, organizationId);
      await registry.setDefaultOrganization(person.id, membership?.organization.id ?? null, origin);
      return viewer;
    },
  },
  Organization: {
    description: async (_, _args, context) => (await settingsRow(context)).description,
    updatedAt: async (_, _args, context) => (await settingsRow(context)).updatedAt,
    purgeAt: async (_, _args, context) => (await settingsRow(context)).purgeAt,
    formerSlugs: (_, _args, { db }) => listFormerSlugs(db),
    settings: async (_, _args, context) => toContract(await settingsRow(context)),
    subscription: async (_, _args, context) => {
      const row = await settingsRow(context);
      return { plan: row.plan, status: row.subscriptionStatus, seatLimit: decideLimit(row, 'seats').max };
    },
    features: async (_, _args, context) => {
      const row = await settingsRow(context);
      return FEATURE_NAMES.map((name) => ({ name, ...decideFeature(row, name) }));
    },
    limits: async (_, _args, context) => {
      const row = await settingsRow(context);
      return LIMIT_NAMES.map((name) => ({ name, ...decideLimit(row, name) }));
    },
    members: (_, args, context) => listMembers(args, context),
    repositories: (_, args, context) => listRepositories(args, context),
    agents: (_, args, context) => listAgents(args, context),
    runs: (_, args, context) => listRuns(args, context),
    usage: ({ id }, { period }, context) =>
      id === context.current?.orgId ? readUsage(period, context) : readUsageElsewhere(id, period, context),
    viewerRole: (parent, _args, context) => viewerAssignment(parent, context)?.role ?? null,
    viewerPermissions: (parent, _args, context) => [...(viewerAssignment(parent, context)?.permissions ?? [])],
  },
  FormerSlug: {
    leadsUntil: ({ givenUpAt }) => leadsUntil(givenUpAt),
    heldUntil: ({ givenUpAt }) => heldUntil(givenUpAt),
  },
  OrganizationComparison: {
    a: ({ a }) => withMembership(a.organization.membership),
    b: ({ b }) => withMembership(b.organization.membership),
    credentials: ({ a, b }) => {
      for (const each of [a, b]) assertMay(each, 'credential:manage', 'read');
      return compareCredentials(a, b);
    },
  },
  OrganizationLimit: { used: ({ name }, _args, context) => USED[name](context) },
  SettingsVersion: {
    by: ({ byKind: kind, byId: id, byName: name }) => ({ kind, id, name }),
    changes: changesIn,
  },
} satisfies Resolvers;

const own = ofCurrentOrganization('organization:read');

export const organization = defineDomain({
  resolvers,
  grants: {
    'organization:read': { from: 'VIEWER', may: 'Read the organization and its settings.' },
    'organization:update': { from: 'ADMIN', may: 'Change the organization and its settings.', vendor: true },
    'settings:promote': {
      from: 'ADMIN',
      may: 'Take settings over from this organization, or into it, with the same permission in the other one.',
    },
    'slug:release': { from: 'OWNER', may: 'Give back a former slug, which anyone may take then.' },
    'organization:delete': { from: 'OWNER', may: 'Delete the organization.' },
    'billing:manage': { from: 'OWNER', may: 'Manage what is paid.' },
  },
  record,
  jobs,
  access: {
    Query: {
      currentOrganization: can('organization:read'),
      myOrganizations: isPerson,
      organization: isPerson,
      organizations: isSystemAdmin,
      settingsVersions: can('organization:read'),
      compareOrganizations: isUnboundPerson,
    },
    Mutation: {
      createOrganization: canCreateOrganization,
      updateOrganization: can('organization:update'),
      rollbackSettings: can('organization:update'),
      promoteSettings: canAsPerson('settings:promote'),
      requestOrganizationDeletion: canAsPerson('organization:delete'),
      cancelOrganizationDeletion: canAsPersonLeaving('organization:delete'),
      releaseSlug: canAsPerson('slug:release'),
      setEntitlements: isSystemAdmin,
      suspendOrganization: isSystemAdmin,
      resumeOrganization: isSystemAdmin,
      updateSubscription: isSystemAdmin,
      switchOrganization: isPerson,
      setDefaultOrganization: isUnboundPerson,
    },
    Organization: {
      ...allowing('id', 'name', 'slug', 'status', 'viewerRole', 'viewerPermissions'),
      ...allowing('set', 'base', 'project', 'region', 'environment'),
      siblings: own,
      createdAt: ofCurrentOrganizationOrSystemAdmin,
      updatedAt: own,
      description: own,
      formerSlugs: own,
      purgeAt: own,
      account: own,
      settings: own,
      subscription: own,
      features: own,
      limits: own,
      members: ofCurrentOrganization('member:read'),
      repositories: ofCurrentOrganization('repository:read'),
      agents: ofCurrentOrganization('agent:read'),
      runs: ofCurrentOrganization('run:read'),
      usage: ofCurrentWithOrSystemAdmin('usage:read'),
    },
    OrganizationSettings: allow,
    AgentExecutionSettings: allow,
    SecuritySettings: allow,
    ProviderRoutingSettings: allow,
    BrandingSettings: allow,
    BrandColours: allow,
    SupportSettings: allow,
    ApprovalSettings: allow,
    ApprovalRequirement: allow,
    OrganizationFeature: allow,
    OrganizationLimit: allow,
    SettingsVersion: allow,
    SettingChange: allow,
    SubscriptionInfo: allow,
    SwitchOrganizationPayload: allow,
    FormerSlug: allow,
    OrganizationComparison: allow,
    OrganizationDifference: allow,
    CredentialComparison: allow,
    PromoteSettingsPayload: allow,
  },
  node: {
    prefix: 'org',
    type: 'Organization',
    rule: can('organization:read'),
    find: async (id, { organization: current }) => (id === current.orgId ? current.organization : null),
  },
});
