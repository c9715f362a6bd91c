import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { IdentityProviderStatus } from '../../generated/enums.js';
import { nameText } from '../../resource/input.js';
import { WORDS } from '../../generated/words.js';

/** https, or this very machine for trying things out; nothing that a reader would take for another host. */
function isProviderUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  const isHere = hostname === 'localhost' || hostname === '127.0.0.1';
  return (protocol === 'https:' || (protocol === 'http:' && isHere)) && `${username}${password}${hash}` === '';
}

export const providerUrl = z
  .string('Must not be null.')
  .trim()
  .max(1000, 'At most 1,000 characters.')
  .refine(isProviderUrl, 'Must be an https URL, without credentials or a fragment in it.');

/** Compared to the letter with what the provider says of itself. */
export const issuerUrl = providerUrl.refine((url) => !url.includes('?'), 'Must have no query.');

const oneLine = (max: number) =>
  z
    .string('Must not be null.')
    .trim()
    .min(1, 'Must not be blank.')
    .max(max, `At most ${max.toLocaleString('en')} characters.`)
    .regex(/^[^\p{Cc}\s]*$/u, 'No spaces or control characters.');

/** A certificate as PEM or base64, kept as base64 of its DER. */
export const certificate = z.string('Must not be null.').transform((text, { addIssue }) => {
  const base64 = text.replaceAll(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '');
  try {
    return new X509Certificate(Buffer.from(base64, 'base64')).raw.toString('base64');
  } catch {
    addIssue({ code: 'custom', message: 'Not an X.509 certificate.' });
    return z.NEVER;
  }
});

const certificates = z.array(certificate, 'Must not be null.').min(1, 'At least one.').max(5, 'At most 5.');

/** Whoever first comes through a provider was chosen by nobody here, so it makes no one who manages others. */
const defaultRole = z.enum(WORDS.IdentityProvider.defaultRole, 'VIEWER or DEVELOPER.');

const clientId = oneLine(255);
const clientSecret = oneLine(1000);
export const entityId = oneLine(1000);

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
