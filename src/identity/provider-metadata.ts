import { X509Certificate } from 'node:crypto';
import { z } from 'zod';

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

/** An identifier or secret that the provider gave out. */
export const oneLine = (max: number) =>
  z
    .string('Must not be null.')
    .trim()
    .min(1, 'Must not be blank.')
    .max(max, `At most ${max.toLocaleString('en')} characters.`)
    .regex(/^[^\p{Cc}\s]*$/u, 'No spaces or control characters.');

/** What a SAML provider calls itself. */
export const entityId = oneLine(1000);

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
