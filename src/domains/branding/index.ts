import type { Branding } from '../../branding.js';
import type { Deployment } from '../../context/deployment.js';
import { findHosted } from '../../context/hosts.js';
import type { Resolvers } from '../../generated/graphql.js';
import { isAnybody } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { brandingIn } from '../organization/index.js';

/** How the organization looks that a host leads to: one statement, whether or not there is one. */
export async function brandingAt(
  host: string | null,
  { outside }: Pick<Deployment, 'outside'>,
): Promise<Branding | null> {
  const hosted = host === null ? null : await findHosted(outside, host);
  return hosted && brandingIn(hosted.settings);
}

const resolvers = {
  Query: { branding: (_, _args, { host, deployment }) => brandingAt(host, deployment) },
} satisfies Resolvers;

export const branding = defineDomain({ resolvers, access: { Query: { branding: isAnybody } } });
