import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { conflict, OrgateError } from '../../errors.js';
import { ExternalAgentPolicy } from '../../generated/enums.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { readActor } from '../../rights/actor.js';
import { descriptionText, given, nameText, parseInput } from '../../resource/input.js';
import { slugText } from './slug.js';

const domainName = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;
const settingText = z.string().trim().min(1, 'Must not be blank.').max(100, 'At most 100 characters.').nullable();

/** Checked as a whole: a path into it would repeat the names that the client sent. */
const featureFlags = z
  .record(z.string(), z.unknown(), 'Must not be null.')
  .refine((flags) => Object.keys(flags).length <= 100, 'At most 100 flags.')
  .refine((flags) => Object.keys(flags).every((name) => /^.{1,100}$/su.test(name)), 'Names have 1 to 100 characters.')
  .refine((flags) => Object.values(flags).every((flag) => typeof flag === 'boolean'), 'Each flag is true or false.')
  .pipe(z.record(z.string(), z.boolean()));

const updateInput = z.object({
  name: nameText.optional(),
  slug: slugText.optional(),
  description: descriptionText,
  settings: z
    .object({
      agentExecution: z
        .object({
          defaultModel: settingText.optional(),
          defaultProvider: settingText.optional(),
          maxConcurrentRuns: z
            .int('Must be a whole number.')
            .min(1, 'At least 1.')
            .max(10_000, 'At most 10,000.')
            .optional(),
        })
        .nullish(),
      security: z
        .object({
          externalAgentPolicy: z.enum(ExternalAgentPolicy, 'Must not be null.').optional(),
          allowedDomains: z
            .array(z.string().trim().toLowerCase().regex(domainName, 'Not a domain name.'))
            .max(100, 'At most 100 domains.')
            .optional(),
          apiKeyMaxDays: z.int('Must be a whole number.').min(1, 'At least 1.').max(3650, 'At most 3,650.').optional(),
        })
        .nullish(),
      featureFlags: featureFlags.optional(),
    })
    .nullish(),
  expectedUpdatedAt: z.date().nullish(),
});

/**
 * Changes the current organization, all or nothing.
 *
 * @throws BAD_USER_INPUT; FORBIDDEN when the actor lost the permission; CONFLICT on `input.expectedUpdatedAt` when it is stale, on `input.slug` when it is taken
 */
export async function updateOrganization(input: unknown, context: RequestContext): Promise<OrganizationSummary> {
  const { settings, slug, description, expectedUpdatedAt, name } = parseInput(updateInput, input);
  const changes = given({
    name,
    slug,
    description,
    ...settings?.agentExecution,
    ...settings?.security,
    featureFlags: settings?.featureFlags,
  });
  const row = await context.db.locked(async (db) => {
    await readActor(db, context, 'organization:update');
    const before = db.held;
    if (expectedUpdatedAt && expectedUpdatedAt.getTime() !== before.updatedAt.getTime()) {
      throw conflict('The organization was changed in the meantime.', 'input.expectedUpdatedAt');
    }
    if (slug !== undefined && slug !== before.slug) {
      await db.address.update({ name: before.slug }, { name: slug }).catch((error: unknown) => {
        if (!(error instanceof OrgateError) || error.code !== 'CONFLICT') throw error;
        throw conflict('This slug is already taken.', 'input.slug');
      });
    }
    return db.organization.update({}, { ...changes, updatedAt: db.now() });
  });
  return row;
}
