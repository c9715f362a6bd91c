import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { conflict, OrgateError } from '../../errors.js';
import type { OrganizationSummary } from '../../identity/person.js';
import { asActor } from '../../rights/actor.js';
import { descriptionText, given, nameText, parseInput } from '../../resource/input.js';
import { type Arguments, changeSettings } from './settings/change-settings.js';
import { settingsInput } from './settings/document.js';
import { takeSlug } from './former-slugs.js';
import { assertGivenNameFits } from './name-fits.js';
import { slugText } from './slug.js';

const updateInput = z.object({
  name: nameText.optional(),
  slug: slugText.optional(),
  description: descriptionText,
  settings: settingsInput.nullish(),
  expectedUpdatedAt: z.date().nullish(),
});

/** Where settings stand in an input. */
export const AT: Arguments = {
  ofSetting: (path) => `input.settings.${path}`,
  expectedVersion: 'input.settings.expectedVersion',
};

/**
 * Changes the current organization, all or nothing.
 *
 * @throws BAD_USER_INPUT; FORBIDDEN when the actor lost the permission, or on a setting that is for others to change; CONFLICT
 *   on `input.expectedUpdatedAt` and `input.settings.expectedVersion` when they are stale, on `input.slug` as `takeSlug` says
 */
export async function updateOrganization(input: unknown, context: RequestContext): Promise<OrganizationSummary> {
  await assertGivenNameFits(input, context, context.organization.organization.slug);
  const { settings, slug, description, expectedUpdatedAt, name } = parseInput(updateInput, input);
  const changes = given({ name, slug, description });
  const row = await asActor(context, 'organization:update', async (db, actor) => {
    const before = db.held;
    if (expectedUpdatedAt && expectedUpdatedAt.getTime() !== before.updatedAt.getTime()) {
      throw conflict('The organization was changed in the meantime.', 'input.expectedUpdatedAt');
    }
    const settled = settings ? await changeSettings(db, context, actor, settings, AT) : {};
    if (slug !== undefined && slug !== before.slug) {
      if (context.viewer?.impersonation)
        throw new OrgateError('FORBIDDEN', 'Nobody changes this for somebody else.', { argument: 'input.slug' });
      await takeSlug(db, slug, context);
    }
    return db.organization.update({}, { ...changes, ...settled, updatedAt: db.now() });
  });
  return row;
}
