/** Addresses of signing in. Those that a provider answers to carry its id, so that no other provider's answer fits. */
export const startUrl = (publicUrl: string, slug: string): string => `${publicUrl}/auth/${slug}`;

export const callbackUrl = (publicUrl: string, providerId: string): string =>
  `${publicUrl}/auth/oidc/${providerId}/callback`;

/** The entity id is the address of the metadata, as is usual. */
export function samlUrls(
  publicUrl: string,
  providerId: string,
): { entityId: string; acsUrl: string; metadataUrl: string } {
  const base = `${publicUrl}/auth/saml/${providerId}`;
  return { entityId: `${base}/metadata`, acsUrl: `${base}/acs`, metadataUrl: `${base}/metadata` };
}
