import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { NAMING_POLICY } from '../../context/deployment.js';
import type { Outside } from '../../data/connection/outside.js';
import { OrgateError } from '../../errors.js';
import { openOrganizationSets } from '../../identity/organization-sets.js';
import { candidatesFor, LIMITS_OF_NAMES, type NamingPolicy, problemsOf } from './naming.js';

/** What speaks against a slug, and one like it that is free and that nothing speaks against; null where nothing does. */
export async function unfitName(slug: string, policy: NamingPolicy, outside: Outside) {
  const problems = problemsOf(slug, policy);
  if (problems.length === 0) return null;
  const like = candidatesFor({ head: slug, tails: [] }, policy);
  const taken = new Set(await outside(openOrganizationSets).listTaken(like));
  const suggestion = like.find((each) => !taken.has(each)) ?? null;
  return { slug, length: slug.length, limit: LIMITS_OF_NAMES[policy], problems, suggestion };
}

type Deployed = Pick<RequestContext, 'use' | 'outside'>;

/**
 * Holds a slug to what the deployment wants of names.
 *
 * @throws BAD_USER_INPUT on `input.slug`, with one that is free and fits
 */
async function assertNameFits(slug: string, { use, outside }: Deployed): Promise<void> {
  const unfit = await unfitName(slug, use(NAMING_POLICY), outside);
  if (!unfit) return;
  throw new OrgateError('BAD_USER_INPUT', unfit.problems.join(' '), { argument: 'input.slug', names: [unfit] });
}

/** What is far too long is nobody's name, and told by its shape. */
const named = z.object({ slug: z.string().max(200) });

/** The same of an input before its shape is checked: where a policy has something against a slug, all that speaks against it is told at once. */
export async function assertGivenNameFits(input: unknown, context: Deployed, but?: string): Promise<void> {
  if (context.use(NAMING_POLICY) === 'any') return;
  const { data } = named.safeParse(input);
  if (data && data.slug !== but) await assertNameFits(data.slug, context);
}
