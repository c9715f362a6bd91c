import type { RequestContext } from '../../context/context.js';
import { NAMING_POLICY } from '../../context/deployment.js';
import { OrgateError } from '../../errors.js';
import { openOrganizationSets } from '../../identity/organization-sets.js';
import { candidatesFor, LIMITS_OF_NAMES, problemsOf } from './naming.js';

/**
 * Holds a slug to what the deployment wants of names.
 *
 * @throws BAD_USER_INPUT on `input.slug`, with one that is free and fits
 */
export async function assertNameFits(
  slug: string,
  { use, outside }: Pick<RequestContext, 'use' | 'outside'>,
): Promise<void> {
  const policy = use(NAMING_POLICY);
  const problems = problemsOf(slug, policy);
  if (problems.length === 0) return;
  const like = candidatesFor({ head: slug, tails: [] }, policy);
  const taken = new Set(await outside(openOrganizationSets).listTaken(like));
  const suggestion = like.find((each) => !taken.has(each)) ?? null;
  const names = [{ slug, length: slug.length, limit: LIMITS_OF_NAMES[policy], problems, suggestion }];
  throw new OrgateError('BAD_USER_INPUT', problems.join(' '), { argument: 'input.slug', names });
}
