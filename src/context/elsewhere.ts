import { OrgateError } from '../errors.js';
import { openOrganizationSets } from '../identity/organization-sets.js';
import { regionNamed } from '../regions.js';
import { type Deployment, REGIONS } from './deployment.js';

/** Who named what is homed in another region, and may know that: for the log of the deployment. */
export class HomedElsewhereError extends Error {
  override readonly name = 'HomedElsewhereError';

  constructor(readonly personId: string) {
    super('named an organization that is homed in another region');
  }
}

/**
 * What to say of names that led a person nowhere: that all of them are homed in another region, to who may know that. One that they
 * may not know of is like one that there is not, and asks the database no less.
 *
 * @returns null where that is not so
 */
export async function elsewhereOf(
  { outside, use }: Pick<Deployment, 'outside' | 'use'>,
  personId: string,
  names: readonly string[],
): Promise<OrgateError | null> {
  const sets = outside(openOrganizationSets);
  const found = await Promise.all(names.map((name) => sets.findElsewhere(personId, name)));
  const [first] = found;
  if (!first || found.includes(null)) return null;
  const { baseUrl = null } = regionNamed(use(REGIONS).all, first.region) ?? {};
  return new OrgateError('ORG_IN_OTHER_REGION', undefined, { baseUrl }, { cause: new HomedElsewhereError(personId) });
}
