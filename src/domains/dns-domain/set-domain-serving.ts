import type { RequestContext } from '../../context/context.js';
import { HOSTS } from '../../context/hosts.js';
import { lookAtHost } from '../../context/look-at-host.js';
import type { Row } from '../../data/organization/table.js';
import { badInput, conflict, OrgateError } from '../../errors.js';
import { decideFeature } from '../../permissions/features.js';
import { asActor } from '../../rights/actor.js';

const FEATURE = 'custom_hosts';
const NO_HOSTS = 'No host leads to an organization here: whoever runs the deployment has to set BASE_DOMAIN.';

/**
 * Has a domain of the current organization serve as its host, or no longer. The DNS is asked before anything is locked.
 *
 * @throws NOT_FOUND; FEATURE_DISABLED, CONFLICT and BAD_USER_INPUT where it is to serve and may not
 */
export async function setDomainServing(
  { id, serving }: { readonly id: string; readonly serving: boolean },
  context: RequestContext,
): Promise<Row<'OrganizationDomain'>> {
  const { db, use } = context;
  const { name } = await db.organizationDomain.get({ id });
  if (serving && !use(HOSTS).areNames) throw new OrgateError('FEATURE_DISABLED', NO_HOSTS, { feature: FEATURE });
  if (serving && use(HOSTS).isOurs(name)) throw badInput('id', 'The deployment itself is at this name.');
  const { found } = serving ? await lookAtHost(name, use) : { found: [] };
  return asActor(context, 'domain:manage', async (inside) => {
    const { status } = await inside.organizationDomain.get({ id });
    if (!serving) return inside.organizationDomain.update({ id }, { serving });
    if (!decideFeature(inside.held, FEATURE).enabled)
      throw new OrgateError('FEATURE_DISABLED', undefined, { feature: FEATURE });
    if (status !== 'VERIFIED') throw conflict('Only a VERIFIED domain can serve.', 'id');
    return inside.organizationDomain.update({ id }, { serving, servingFound: found });
  });
}
