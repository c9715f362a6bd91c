import { z } from 'zod';
import { IdentityProviderStatus } from '../../generated/enums.js';
import { WORDS } from '../../generated/words.js';
import { certificate, entityId, issuerUrl, oneLine, providerUrl } from '../../identity/provider-metadata.js';
import { nameText } from '../../resource/input.js';

const certificates = z.array(certificate, 'Must not be null.').min(1, 'At least one.').max(5, 'At most 5.');

/** Whoever first comes through a provider was chosen by nobody here, so it makes no one who manages others. */
const defaultRole = z.enum(WORDS.IdentityProvider.defaultRole, 'VIEWER or DEVELOPER.');

const clientId = oneLine(255);
const clientSecret = oneLine(1000);

export const createOidcInput = z.object({
  name: nameText,
  issuer: issuerUrl,
  clientId,
  clientSecret: clientSecret.nullish(),
  defaultRole: defaultRole.default('VIEWER'),
});

export const createSamlInput = z.object({
  name: nameText,
  issuer: entityId,
  signInUrl: providerUrl,
  certificates,
  defaultRole: defaultRole.default('VIEWER'),
});

export const updateInput = z.object({
  id: z.string(),
  name: nameText.optional(),
  status: z.enum(IdentityProviderStatus, 'Must not be null.').optional(),
  defaultRole: defaultRole.optional(),
  clientId: clientId.optional(),
  clientSecret: clientSecret.nullish(),
  signInUrl: providerUrl.optional(),
  certificates: certificates.optional(),
  expectedUpdatedAt: z.date().nullish(),
});
