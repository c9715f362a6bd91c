import type { SignInProviderConfig } from '../../config/config.js';
import type { Outside } from '../../data/connection/outside.js';
import type { OrgId } from '../../data/id.js';
import { bySystem } from '../../data/connection/act.js';
import type { OpenOrganizationDb } from '../../data/organization/organization-db.js';
import { clientSecretPlace } from '../../domains/identity-provider/index.js';
import { type OfferedProvider, openIdentityProviders } from '../../domains/identity-provider/outside.js';
import type { OrganizationSeal } from '../../secrets/organization-seal.js';

interface Common {
  readonly id: string;
  readonly name: string;
  readonly issuer: string;
  /** Changes whenever the provider does. */
  readonly version: string;
  /** Whose provider it is; null for the deployment's own. */
  readonly organization: { readonly orgId: OrgId } | null;
  /** The only domains under which the deployment believes it; null believes every verified address. */
  readonly emailDomains: readonly string[] | null;
}
export interface OidcProvider extends Common {
  readonly kind: 'OIDC';
  readonly clientId: string;
  /** Null for a public client. */
  readonly clientSecret: string | null;
}
export interface SamlProvider extends Common {
  readonly kind: 'SAML';
  readonly signInUrl: string;
  /** DER in base64. */
  readonly certificates: readonly string[];
}

/** An identity provider that is in use, with all that it takes to speak to it. */
export type Provider = OidcProvider | SamlProvider;

export interface Providers {
  /** What the sign-in page offers: an organization's own providers if it has any, else those of the deployment. */
  offered(slug: string | null): Promise<readonly OfferedProvider[]>;
  /** A provider in use, by id. */
  find(id: string): Promise<Provider | null>;
}

export interface ProvidersParts {
  /** Those of the deployment. */
  readonly configured: () => readonly SignInProviderConfig[];
  readonly outside: Outside;
  readonly organizationDb: OpenOrganizationDb;
  readonly seal: OrganizationSeal;
}

const SIGN_IN = bySystem('sign-in');

export function createProviders({ configured, outside, organizationDb, seal }: ProvidersParts): Providers {
  const identityProviders = outside(openIdentityProviders);
  return {
    async offered(slug) {
      const own = slug === null ? [] : await identityProviders.listOffered(slug);
      return own.length > 0 ? own : configured();
    },

    async find(id) {
      const known = configured().find((provider) => provider.id === id);
      if (known) return { ...known, organization: null, version: '' };
      const orgId = await identityProviders.findOrganization(id);
      if (!orgId) return null;
      const db = organizationDb(orgId, SIGN_IN);
      const row = await db.identityProvider.find({ id, status: 'ACTIVE' });
      if (!row) return null;
      const common = {
        id,
        name: row.name,
        issuer: row.issuer,
        version: row.updatedAt.toISOString(),
        organization: { orgId },
        emailDomains: null,
      };
      const { signInUrl, certificates, clientId } = row;
      if (signInUrl !== null) return { ...common, kind: 'SAML', signInUrl, certificates };
      if (clientId === null) throw new Error(`the provider ${id} is neither whole OIDC nor whole SAML`);
      const clientSecret =
        row.clientSecret === null ? null : await seal.open(db, row.clientSecret, clientSecretPlace(orgId, id));
      return { ...common, kind: 'OIDC', clientId, clientSecret };
    },
  };
}
