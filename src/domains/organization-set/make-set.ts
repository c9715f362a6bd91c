import type { RequestContext } from '../../context/context.js';
import { REGIONS } from '../../context/deployment.js';
import { badInput, conflict, notFound, OrgateError, orNotFound } from '../../errors.js';
import type { OrganizationNameCheck } from '../../generated/graphql.js';
import {
  type Beside,
  type HeldOrganization,
  openOrganizationSets,
  type OrganizationSet,
  type PlannedSet,
} from '../../identity/organization-sets.js';
import { assertServed } from '../../permissions/organization-status.js';
import { canCreateOrganization } from '../../permissions/rules.js';
import { nameText, parseInput, reference } from '../../resource/input.js';
import { assertStillAskingNow, readActorNow } from '../../rights/actor.js';
import { type HeldAccounts, openHeldAccounts } from '../account/index.js';
import { checkNames, namesInput, placesInput, planNames, type PlannedName, suffixOf } from './plan-names.js';

const createInput = namesInput.extend({
  name: nameText.max(60, 'At most 60 characters.'),
  accountId: reference.nullish(),
});

/**
 * Makes a set with its organizations of this region, all or none, and keeps the names of the others.
 *
 * @throws BAD_USER_INPUT; CONFLICT when a name is taken, and where the maker has a set of this base and project with less in it; NOT_FOUND to whoever does
 *   not administer `input.accountId`; UNAUTHENTICATED when the session ended meanwhile
 */
export async function createOrganizationSet(input: unknown, context: RequestContext): Promise<OrganizationSet> {
  const wanted = parseInput(createInput, input);
  const names = planNames(wanted, context);
  const sets = context.outside(openOrganizationSets);
  const { name, base, project, accountId = null } = wanted;
  const refusal = await refusalOf(names, wanted, context);
  if (refusal) {
    // Of what is there already the names are taken: by it. It is looked for afterwards, since it may have been made meanwhile.
    const made = await sets.findMade(context.person.id, base, project);
    const places = made ? await sets.listPlaces(made.id) : [];
    if (!places.some(({ region }) => region === context.use(REGIONS).here?.tag)) throw refusal;
  }
  const set = { name, base, project };
  const beside = ofAccount(context, {
    hold: async (accounts) => {
      if (accountId !== null && !(await accounts.holdAdministrator(accountId, context.person.id))) throw notFound();
      return accountId;
    },
    end: () => assertStillAskingNow(context),
  });
  const id = await sets.make(context.person, set, toPlanned(name, names, context), context.origin, beside);
  if (id === null) throw conflict('There is less in this set: extendOrganizationSet adds to it.', 'input');
  return orNotFound(await sets.find(id));
}

/**
 * Adds to the set of the current organization. What is added belongs to the account that all of the set belongs to, where who adds administers
 * that, and otherwise to none: nobody gives an account what it did not take.
 *
 * @throws BAD_USER_INPUT; CONFLICT when a name is taken; FORBIDDEN for who is not OWNER of all of it; as `readActor` where they waited
 */
export async function extendOrganizationSet(input: unknown, context: RequestContext): Promise<OrganizationSet> {
  const verdict = canCreateOrganization.check(context, 'write', null);
  if (verdict !== true) throw verdict;
  const wanted = parseInput(placesInput, input);
  const sets = context.outside(openOrganizationSets);
  const { setId } = context.organization.organization;
  if (setId === null) throw badInput('input', 'The current organization belongs to no set.');
  const set = orNotFound(await sets.find(setId));
  const names = planNames({ ...wanted, base: set.base, project: set.project }, context);
  const isThere = await sets.listPlaces(setId);
  const missing = names.filter(
    ({ region, environment }) => !isThere.some((place) => place.region === region && place.environment === environment),
  );
  const refusal = await refusalOf(missing, set, context);
  if (refusal) throw refusal;
  const beside = ofAccount(context, {
    hold: async (accounts, held) => {
      assertServed(orNotFound(held.find(({ id }) => id === context.organization.orgId)));
      await readActorNow(context, 'set:extend');
      return accounts.holdAccountOf(setId, context.person.id);
    },
    end: () => assertStillAskingNow(context),
  });
  const { person, origin, organization } = context;
  const planned = toPlanned(set.name, missing, context);
  if (!(await sets.extend(organization.orgId, person, set, planned, origin, beside))) {
    throw new OrgateError('FORBIDDEN', 'Only an OWNER of every organization in the set adds to it.');
  }
  return set;
}

/** Gives what is made to the account that `hold` names, before anything is made. */
function ofAccount(
  { outside, actElsewhere: act }: RequestContext,
  {
    hold,
    end,
  }: {
    readonly hold: (accounts: HeldAccounts, held: readonly HeldOrganization[]) => Promise<string | null>;
    readonly end: Beside['end'];
  },
): Beside {
  const accounts = outside(openHeldAccounts);
  let accountId: string | null = null;
  return {
    begin: async (held) => {
      accountId = await hold(accounts, held);
    },
    made: async ({ id, createdAt }) => {
      if (accountId !== null) await accounts.take(id, accountId, createdAt, act);
    },
    end,
  };
}

/** Why some of the names cannot be given; null where all can. */
async function refusalOf(
  names: readonly PlannedName[],
  set: Pick<OrganizationSet, 'base' | 'project'>,
  context: RequestContext,
): Promise<OrgateError | null> {
  const { unfit, taken } = await checkNames(names, set, context);
  const refuse = (code: 'BAD_USER_INPUT' | 'CONFLICT', message: string, checks: readonly OrganizationNameCheck[]) =>
    new OrgateError(code, message, {
      argument: 'input',
      names: checks.map(({ slug, length, limit, problems, suggestion }) => ({
        slug,
        length,
        limit,
        problems,
        suggestion: suggestion ?? null,
      })),
    });
  if (unfit.length > 0) return refuse('BAD_USER_INPUT', 'Some of these names cannot be given.', [...unfit, ...taken]);
  return taken.length > 0 ? refuse('CONFLICT', 'Some of these names are already taken.', taken) : null;
}

/** @throws BAD_USER_INPUT where nobody told this deployment where it is */
function toPlanned(name: string, names: readonly PlannedName[], { use }: RequestContext): PlannedSet {
  if (use(REGIONS).here === null) throw badInput('input.regions', 'Nobody told this deployment which region it is in.');
  return {
    here: names
      .filter(({ isHere }) => isHere)
      .map((each) => ({
        ...each,
        name: [name, each.region, ...suffixOf(each.environment)].join(' '),
      })),
    elsewhere: names.filter(({ isHere }) => !isHere),
  };
}
