import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { OrganizationSummary } from '../../identity/person.js';
import {
  type Entitlements,
  FEATURE_NAMES,
  type FeatureName,
  LIMIT_NAMES,
  type LimitName,
} from '../../permissions/features.js';
import { parseInput } from '../../resource/input.js';
import { agree } from './set-standing.js';

const oneOf = <N extends string>(names: readonly N[]) =>
  z.enum(Object.fromEntries(names.map((name) => [name, name])) as { [K in N]: K }, `One of ${names.join(', ')}.`);
const MOST = 1_000_000;
const MOST_CALLS = 1e12;
const eachOnce = (list: readonly { name: string }[]): boolean =>
  new Set(list.map(({ name }) => name)).size === list.length;

const entitlementsInput = z.object({
  organizationId: z.string(),
  features: z
    .array(z.object({ name: oneOf<FeatureName>(FEATURE_NAMES), enabled: z.boolean() }))
    .refine(eachOnce, 'Must name each once.')
    .nullish(),
  limits: z
    .array(
      z
        .object({
          name: oneOf<LimitName>(LIMIT_NAMES),
          max: z
            .int('Must be a whole number.')
            .min(0, 'At least 0.')
            .max(MOST_CALLS, 'At most 1,000,000,000,000.')
            .nullish()
            .transform((max) => max ?? null),
        })
        .refine(({ name, max }) => name === 'api_calls_per_month' || max === null || max <= MOST, {
          path: ['max'],
          message: 'At most 1,000,000.',
        }),
    )
    .refine(eachOnce, 'Must name each once.')
    .nullish(),
});

/**
 * Sets what an organization has otherwise than its plan says, and tells it in its own record.
 *
 * @throws BAD_USER_INPUT; NOT_FOUND
 */
export async function setEntitlements(input: unknown, context: RequestContext): Promise<OrganizationSummary> {
  const { organizationId, features, limits } = parseInput(entitlementsInput, input);
  const wanted: Entitlements = {
    ...(features && { features: Object.fromEntries(features.map(({ name, enabled }) => [name, enabled])) }),
    ...(limits && { limits: Object.fromEntries(limits.map(({ name, max }) => [name, max])) }),
  };
  return agree(context, (agreed) => agreed.setEntitlements(organizationId, wanted, context.actElsewhere));
}
