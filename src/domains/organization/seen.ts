import type { RequestContext } from '../../context/context.js';
import { openVisits } from '../audit-entry/index.js';

/** Has organizations told that whoever runs the deployment sees them. To be awaited before they are shown. */
export const tellSeen = (
  organizations: readonly { readonly id: string }[],
  { outside, actElsewhere: act }: RequestContext,
): Promise<void> =>
  outside(openVisits)(
    organizations.map(({ id }) => id),
    { action: 'organization.seen', act },
  );
