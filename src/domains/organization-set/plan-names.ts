import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { NAMING_POLICY, REGIONS } from '../../context/deployment.js';
import { badInput } from '../../errors.js';
import { Environment } from '../../generated/enums.js';
import type { OrganizationNameCheck } from '../../generated/graphql.js';
import { openOrganizationSets } from '../../identity/organization-sets.js';
import { regionNamed } from '../../regions.js';
import { candidatesFor, LIMITS_OF_NAMES, problemsOf } from '../organization/index.js';

const part = z
  .string('Must not be null.')
  .min(1, 'Must not be blank.')
  .max(40, 'At most 40 characters.')
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'Lower-case letters, digits and hyphens between them only.');

export const placesInput = z.object({
  regions: z.array(z.string()).min(1, 'At least one.').max(40, 'At most 40.'),
  environments: z.array(z.enum(Environment)).max(20, 'At most 20.'),
});

/** The parts of the names in a set. */
export const namesInput = placesInput.extend({ base: part, project: part });

/** A name, and where whoever has it would be. */
export interface PlannedName {
  readonly slug: string;
  readonly region: string;
  readonly isHere: boolean;
  readonly environment: Environment | null;
}

/** @throws BAD_USER_INPUT on a region that there is not */
export function planNames(
  { base, project, regions, environments }: z.output<typeof namesInput>,
  { use }: Pick<RequestContext, 'use'>,
): PlannedName[] {
  const { all, here } = use(REGIONS);
  const tags = regions.map((name, index) => {
    const region = regionNamed(all, name);
    if (!region) throw badInput(`input.regions.${index}`, `There are ${all.map(({ tag }) => tag).join(', ')}.`);
    return region.tag;
  });
  const each: readonly (Environment | null)[] = environments.length > 0 ? [...new Set(environments)] : [null];
  return [...new Set(tags)].flatMap((region) =>
    each.map((environment) => ({
      slug: [base, project, region, ...suffixOf(environment)].join('-'),
      region,
      isHere: region === here?.tag,
      environment,
    })),
  );
}

export const suffixOf = (environment: Environment | null): string[] => (environment ? [environment.toLowerCase()] : []);

const TAKEN = 'This slug is already taken.';

export interface CheckedNames {
  readonly checks: readonly OrganizationNameCheck[];
  /** Those that cannot be given whoever has them, and those that somebody has. */
  readonly unfit: readonly OrganizationNameCheck[];
  readonly taken: readonly OrganizationNameCheck[];
}

/** What speaks against the names, each with one like it that nothing speaks against. */
export async function checkNames(
  planned: readonly PlannedName[],
  { base, project }: { readonly base: string; readonly project: string },
  { use, outside }: RequestContext,
): Promise<CheckedNames> {
  const policy = use(NAMING_POLICY);
  const limit = LIMITS_OF_NAMES[policy];
  const like = planned.map(({ region, environment }) =>
    candidatesFor({ head: `${base}-${project}`, tails: [region, ...suffixOf(environment)] }, policy),
  );
  const here = planned.filter(({ isHere }) => isHere).map(({ slug }) => slug);
  const taken = new Set(await outside(openOrganizationSets).listTaken([...here, ...like.flat()]));
  const given = new Set(planned.map(({ slug }) => slug));
  const checks = planned.map(({ slug, region, isHere, environment }, index): OrganizationNameCheck => {
    const problems = problemsOf(slug, policy);
    if (isHere && taken.has(slug)) problems.push(TAKEN);
    const suggestion =
      problems.length === 0 ? null : (like[index]?.find((each) => !taken.has(each) && !given.has(each)) ?? null);
    if (suggestion !== null) given.add(suggestion);
    return { slug, region, environment, length: slug.length, limit, problems, suggestion };
  });
  const isTakenOnly = ({ problems }: OrganizationNameCheck) => problems.length === 1 && problems[0] === TAKEN;
  return {
    checks,
    unfit: checks.filter((each) => each.problems.length > 0 && !isTakenOnly(each)),
    taken: checks.filter(isTakenOnly),
  };
}
