import DataLoader from 'dataloader';
import type { RequestContext } from '../../context/context.js';
import { PUBLIC_URL, REGIONS } from '../../context/deployment.js';
import type { Resolvers } from '../../generated/graphql.js';
import { openOrganizationSets, type OrganizationSet, type Place } from '../../identity/organization-sets.js';
import { allow, canAsPerson, canCreateOrganization, isSignedIn } from '../../permissions/rules.js';
import { type Region, regionNamed } from '../../regions.js';
import { defineDomain } from '../../resource/define-domain.js';
import { parseInput } from '../../resource/input.js';
import { type OrganizationParent, withMembership } from '../organization/parent.js';
import { createOrganizationSet, extendOrganizationSet } from './make-set.js';
import { checkNames, namesInput, planNames } from './plan-names.js';
import { record } from './record.js';

/** Whose own the request can show: nobody's who reaches one organization only, as a key does, or who acts as a member. */
const ownerOf = ({ viewer }: RequestContext): string | null =>
  viewer?.person && viewer.session.boundOrgId === null ? viewer.person.id : null;

/** Each set is read once in a request, however often it is reached. */
const setsOf = ({ outside }: RequestContext) =>
  new DataLoader<string, OrganizationSet | null>(async (ids) => {
    const sets = await outside(openOrganizationSets).findAll(ids);
    return ids.map((id) => sets.find((set) => set.id === id) ?? null);
  });

/** By their set, the organizations that the viewer is in. */
const organizationsOf = (context: RequestContext) =>
  new DataLoader<string, OrganizationParent[]>((setIds) =>
    Promise.all(
      setIds.map(async (setId) => {
        const { outside, registry } = context;
        const personId = ownerOf(context);
        if (personId === null) return [];
        const ids = await outside(openOrganizationSets).listOwn(personId, setId);
        const found = await Promise.all(ids.map((id) => registry.findMembership(context.sessionScope, id)));
        return found.flatMap((membership) => (membership ? [withMembership(membership)] : []));
      }),
    ),
  );

/** By their set, the names that the viewer's were kept as. */
const namesOf = (context: RequestContext) =>
  new DataLoader<string, Place[]>((setIds) => {
    const personId = ownerOf(context);
    const sets = context.outside(openOrganizationSets);
    return Promise.all(setIds.map(async (setId) => (personId === null ? [] : sets.listElsewhere(personId, setId))));
  });

/** A region that there is no more is told by its tag; what was made before anybody said where that is, is here. */
const regionOf = (tag: string | null, { use }: RequestContext): Region | null =>
  tag === null ? use(REGIONS).here : (regionNamed(use(REGIONS).all, tag) ?? { tag, cloudRegion: tag, baseUrl: null });

const resolvers = {
  Query: {
    regions: (_, _args, { use }) => [...use(REGIONS).all],
    checkOrganizationNames: async (_, { input }, context) => {
      const wanted = parseInput(namesInput, input);
      return [...(await checkNames(planNames(wanted, context), wanted, context)).checks];
    },
  },
  Mutation: {
    createOrganizationSet: (_, { input }, context) => createOrganizationSet(input, context),
    extendOrganizationSet: (_, { input }, context) => extendOrganizationSet(input, context),
  },
  Region: {
    isHere: ({ tag }, _args, { use }) => tag === use(REGIONS).here?.tag,
    baseUrl: ({ tag, baseUrl }, _args, { use }) =>
      baseUrl ?? (tag === use(REGIONS).here?.tag ? use(PUBLIC_URL)() : null),
  },
  OrganizationSet: {
    organizations: ({ id }, _args, context) => context.once(organizationsOf).load(id),
    elsewhere: ({ id }, _args, context) => context.once(namesOf).load(id),
  },
  OrganizationElsewhere: { region: ({ region }, _args, context) => regionOf(region, context) },
  AccountOrganization: { region: ({ region }, _args, context) => regionOf(region, context) },
  Organization: {
    set: ({ setId }, _args, context) => (setId === null ? null : context.once(setsOf).load(setId)),
    region: ({ region }, _args, context) => regionOf(region, context),
    siblings: async ({ id, setId }, _args, context) =>
      setId === null ? [] : (await context.once(organizationsOf).load(setId)).filter((each) => each.id !== id),
  },
} satisfies Resolvers;

export const organizationSet = defineDomain({
  resolvers,
  grants: {
    'set:extend': { from: 'OWNER', may: 'Add organizations to the set that this one belongs to.' },
  },
  record,
  access: {
    Query: { regions: isSignedIn, checkOrganizationNames: canCreateOrganization },
    Mutation: {
      createOrganizationSet: canCreateOrganization,
      extendOrganizationSet: canAsPerson('set:extend'),
    },
    Region: allow,
    OrganizationSet: allow,
    OrganizationElsewhere: allow,
    OrganizationNameCheck: allow,
  },
});
