import { RequestContext } from '../../src/context/context.js';
import { CATALOGUE } from '../../src/context/deployment.js';
import { enterOrganization } from '../../src/context/enter-organization.js';
import { REFUSALS } from '../../src/context/refusal.js';
import { namedOrganizations } from '../../src/context/resolve-organization.js';
import { Parts } from '../../src/parts.js';
import type { Catalogue } from '../../src/permissions/catalogue.js';
import type { Client, TestServer } from './server.js';

/** The context of a request in an organization, as `openContext` makes it of a credential that was verified. */
export async function contextOf(
  server: TestServer,
  catalogue: Catalogue,
  { email }: Client,
  { slug }: { readonly slug: string },
): Promise<RequestContext> {
  const { outside, organizationDb, pool } = server.database;
  const deployment = {
    outside,
    organizationDb,
    now: () => pool.clock.now(),
    use: new Parts().add(CATALOGUE, catalogue).add(REFUSALS, { note: () => undefined }).use,
  };
  const identity = { issuer: server.issuer.issuer, subject: email, verifiedEmail: email, name: '' };
  const token = { organizationClaim: slug, expiresAt: Date.now() / 1000 + 60, development: false };
  const named = namedOrganizations({}, slug, { host: null });
  const entered = await enterOrganization(deployment, { kind: 'identity', identity, ...token }, named);
  return new RequestContext(`request of ${email}`, entered.viewer, entered.current, deployment);
}
