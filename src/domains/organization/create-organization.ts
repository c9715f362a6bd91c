import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import { REGIONS } from '../../context/deployment.js';
import type { OrgId } from '../../data/id.js';
import type { LockedDb } from '../../data/organization/organization-db.js';
import { badInput, notFound, orNotFound } from '../../errors.js';
import { openHeldFounding } from '../../identity/found-organization.js';
import type { OrganizationSummary } from '../../identity/person.js';
import type { DueWork } from '../../jobs/due-kind.js';
import { DUE_WORK } from '../../jobs/due-work.js';
import { descriptionText, nameText, parseInput, reference } from '../../resource/input.js';
import { type Actor, assertStillAsking } from '../../rights/actor.js';
import type { RoleAssignment } from '../../rights/escalation.js';
import { openHeldAccounts } from '../account/index.js';
import { invite } from '../invitation/index.js';
import { assertGivenNameFits } from './name-fits.js';
import { type OrganizationParent, withMembership } from './parent.js';
import { changeSettings } from './settings/change-settings.js';
import { settingsInput } from './settings/document.js';
import { slugText } from './slug.js';
import { AT } from './update-organization.js';

const createInput = z.object({
  name: nameText,
  slug: slugText,
  description: descriptionText,
  settings: settingsInput.nullish(),
  accountId: reference.nullish(),
  inviteAdministrators: z.boolean().nullish(),
});

const ADMIN: RoleAssignment = { role: 'ADMIN', granted: [], withheld: [] };

/**
 * Makes an organization, whose OWNER is whoever makes it, all of it or nothing.
 *
 * @throws BAD_USER_INPUT, on `input.slug` with one that fits; CONFLICT on `input.slug`; NOT_FOUND to whoever does not administer `input.accountId`; UNAUTHENTICATED when the
 *   session ended meanwhile
 */
export async function createOrganization(input: unknown, context: RequestContext): Promise<OrganizationParent> {
  await assertGivenNameFits(input, context);
  const { settings, accountId = null, inviteAdministrators, description, ...named } = parseInput(createInput, input);
  if (inviteAdministrators && accountId === null) {
    throw badInput('input.inviteAdministrators', 'Give `accountId` with it.');
  }
  const { person, outside, deployment, registry, sessionScope, actElsewhere: act } = context;
  const [founding, accounts] = [outside(openHeldFounding), outside(openHeldAccounts)];
  const orgId = founding.newId();
  const region = context.use(REGIONS).here?.tag ?? null;
  const owner: Actor = { userId: person.id, name: person.name, role: 'OWNER', granted: [], withheld: [] };
  const mails = await deployment.organizationDb(orgId, act).transaction(async (db) => {
    // Before anything is made: who is removed meanwhile is removed after it, or was before.
    if (accountId !== null && !(await accounts.holdAdministrator(accountId, person.id))) throw notFound();
    const summary = await founding.found(orgId, person, { ...named, description: description ?? '', region }, act);
    if (accountId !== null) await accounts.take(orgId, accountId, summary.createdAt, act);
    return db.locked(async (inside) => {
      await assertStillAsking(inside, context);
      const settled = settings ? await changeSettings(inside, context, owner, settings, AT) : {};
      if (Object.keys(settled).length > 0) await inside.organization.update({}, settled);
      if (accountId === null || !inviteAdministrators) return [];
      const others = await accounts.listOthers(accountId, person.id);
      return inviteAll(inside, others, owner, summary, context);
    });
  });
  for (const mail of mails) context.use(DUE_WORK).dispatch(mail);
  return withMembership(orNotFound(await registry.findMembership(sessionScope, orgId)));
}

async function inviteAll(
  db: LockedDb,
  people: readonly { readonly email: string; readonly name: string }[],
  owner: Actor,
  organization: OrganizationSummary & { readonly id: OrgId },
  { use, catalogue }: RequestContext,
): Promise<DueWork[]> {
  const at = { use, catalogue, organization: { orgId: organization.id, organization } };
  const mails: DueWork[] = [];
  for (const { email, name } of people) {
    const { mail } = await invite(db, { email, name }, ADMIN, owner, at);
    if (mail) mails.push(mail);
  }
  return mails;
}
