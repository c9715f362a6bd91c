import type { Branding } from '../../../branding.js';
import type { OrganizationDb } from '../../../data/organization/organization-db.js';
import type { SomeSettings } from './document.js';

/** How an organization wants to look, by its settings as they are kept; null where it chose nothing. */
export function brandingIn(kept: unknown): Branding | null {
  const document = kept as SomeSettings;
  const branding = {
    displayName: document['branding.displayName'] ?? null,
    logoUrl: document['branding.logoUrl'] ?? null,
    colours: document['branding.colours'] ?? null,
    supportEmail: document['branding.supportEmail'] ?? null,
  };
  return Object.values(branding).some((each) => each !== null) ? branding : null;
}

/** The same, read inside the organization. */
export const readBranding = async (db: Pick<OrganizationDb, 'organization'>): Promise<Branding | null> =>
  brandingIn((await db.organization.find({}))?.settings ?? {});
