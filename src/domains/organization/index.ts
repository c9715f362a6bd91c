import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { SESSION_ISSUER } from '../../context/deployment.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
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
} from '../../permissions/rules.js';
import { decideFeature, decideLimit, FEATURE_NAMES, LIMIT_NAMES, type LimitName } from '../../permissions/features.js';
import { countSeats } from '../../rights/seats.js';
import { setEntitlements } from './set-entitlements.js';
import { resumeOrganization, suspendOrganization, updateSubscription } from './set-standing.js';
import { allowing, defineDomain } from '../../resource/define-domain.js';
import { descriptionText, nameText, parseInput } from '../../resource/input.js';
import { asked, type ListArgs, type Offer } from '../../resource/list.js';
import { connect } from '../../resource/paging.js';
import { listAgents } from '../agent/index.js';
import { listMembers } from '../membership/index.js';
import { listRepositories } from '../repository/index.js';
import { listRuns } from '../run/index.js';
import { readUsage } from '../usage/index.js';
import { personUser } from '../viewer/parent.js';
import { type OrganizationParent, withMembership } from './parent.js';
import { cancelDeletion, requestDeletion } from './leaving/request-deletion.js';
import { heldUntil, leadsUntil, listFormerSlugs } from './former-slugs.js';
import { jobs } from './jobs.js';
import { record } from './record.js';
import { releaseSlug } from './release-slug.js';
import { toContract } from './settings/document.js';
import { changesIn, settingsVersions } from './settings/list-versions.js';
import { rollbackSettings } from './settings/rollback-settings.js';
import { slugText } from './slug.js';
import { updateOrganization } from './update-organization.js';

const OFFERED = {
  name: 'organizations',
  orders: { CREATED_AT: { by: 'id' }, NAME: { by: 'name' } },
  usual: { field: 'CREATED_AT', direction: 'ASC' },
  search: ['name', 'slug'],
} satisfies Offer<OrganizationParent, OrganizationOrderField>;

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

function listOrganizations(args: OrganizationArgs, { person, registry }: RequestContext) {
  const { order, search } = asked<OrganizationParent, OrganizationOrderField>(OFFERED, args);
  return connect(args, person.id, order, {
    read: (page) => registry.listOrganizations({ ...page, search: search?.text }),
    count: () => registry.countOrganizations(search?.text),
    show: (rows) => rows,
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

const createInput = z.object({
  name: nameText,
  slug: slugText,
  description: descriptionText,
});

/** How many there are of what is limited. */
const USED: Readonly<Record<LimitName, (db: OrganizationDb) => Promise<number>>> = {
  seats: countSeats,
  concurrent_runs: (db) => db.run.count({ status: 'RUNNING' }),
  runs_per_day: (db) => db.run.count({ createdAt: { gte: new Date(new Date(db.now()).setUTCHours(0, 0, 0, 0)) } }),
};

const resolvers = {
  Query: {
    currentOrganization: (_, _args, context) => context.organization.organization,
    myOrganizations: (_, args, context) => listMyOrganizations(args, context),
    organization: async (_, { slug, id }, { sessionScope, registry }) => {
      const name = slug ?? id;
      if (name == null || (slug != null && id != null)) throw badInput('slug', 'Give exactly one of slug and id.');
      const membership = await registry.findMembership(sessionScope, name);
      // `slug` takes no id and `id` no slug, though both are looked up in one place.
      const isFoundById = membership?.organization.id === name;
      if (!membership || isFoundById !== (id != null)) throw notFound();
      return withMembership(membership);
    },
    organizations: (_, args, context) => listOrganizations(args, context),
    settingsVersions: (_, args, context) => settingsVersions.page(args, context),
  },
  Mutation: {
    createOrganization: async (_, { input }, { person, sessionScope, registry, origin }) => {
      const { name, slug, description } = parseInput(createInput, input);
      const made = { name, slug, description: description ?? '' };
      const summary = await registry.createOrganization(person, made, origin);
      return withMembership(orNotFound(await registry.findMembership(sessionScope, summary.id)));
    },
    updateOrganization: (_, { input }, context) => updateOrganization(input, context),
    rollbackSettings: (_, args, context) => rollbackSettings(args, context),
    requestOrganizationDeletion: (_, { confirm }, context) => requestDeletion(confirm, context),
    cancelOrganizationDeletion: (_, _args, context) => cancelDeletion(context),
    releaseSlug: (_, { slug }, context) => releaseSlug(slug, context),
    setEntitlements: (_, { input }, context) => setEntitlements(input, context),
    suspendOrganization: (_, args, context) => suspendOrganization(args, context),
    resumeOrganization: (_, { organizationId }, context) => resumeOrganization(organizationId, context),
    updateSubscription: (_, { input }, context) => updateSubscription(input, context),
    switchOrganization: async (_, { organizationId }, context) => {
      const membership = await context.registry.findMembership(context.sessionScope, organizationId);
      if (!membership || !context.viewer) throw notFound();
      return {
        user: personUser(context.person),
        currentOrganization: withMembership(membership),
        token: await context.use(SESSION_ISSUER).issueFor(context.viewer, membership.organization.id),
      };
    },
    setDefaultOrganization: async (_, { organizationId }, { person, sessionScope, registry, viewer, origin }) => {
      const membership = organizationId == null ? null : await registry.findMembership(sessionScope, organizationId);
      if (organizationId != null && !membership) throw notFound();
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
    usage: (_, { period }, context) => readUsage(period, context),
    viewerRole: (parent, _args, context) => viewerAssignment(parent, context)?.role ?? null,
    viewerPermissions: (parent, _args, context) => [...(viewerAssignment(parent, context)?.permissions ?? [])],
  },
  FormerSlug: {
    leadsUntil: ({ givenUpAt }) => leadsUntil(givenUpAt),
    heldUntil: ({ givenUpAt }) => heldUntil(givenUpAt),
  },
  OrganizationLimit: { used: ({ name }, _args, { db }) => USED[name](db) },
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
    },
    Mutation: {
      createOrganization: canCreateOrganization,
      updateOrganization: can('organization:update'),
      rollbackSettings: can('organization:update'),
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
      createdAt: ofCurrentOrganizationOrSystemAdmin,
      updatedAt: own,
      description: own,
      formerSlugs: own,
      purgeAt: own,
      settings: own,
      subscription: own,
      features: own,
      limits: own,
      members: ofCurrentOrganization('member:read'),
      repositories: ofCurrentOrganization('repository:read'),
      agents: ofCurrentOrganization('agent:read'),
      runs: ofCurrentOrganization('run:read'),
      usage: ofCurrentOrganization('usage:read'),
    },
    OrganizationSettings: allow,
    AgentExecutionSettings: allow,
    SecuritySettings: allow,
    ProviderRoutingSettings: allow,
    BrandingSettings: allow,
    BrandColours: allow,
    SupportSettings: allow,
    OrganizationFeature: allow,
    OrganizationLimit: allow,
    SettingsVersion: allow,
    SettingChange: allow,
    SubscriptionInfo: allow,
    SwitchOrganizationPayload: allow,
    FormerSlug: allow,
  },
  node: {
    prefix: 'org',
    type: 'Organization',
    rule: can('organization:read'),
    find: async (id, { organization: current }) => (id === current.orgId ? current.organization : null),
  },
});
