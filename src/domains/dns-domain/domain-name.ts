import { isIP } from 'node:net';
import publicMailProviders from 'email-providers';
import { parse } from 'tldts';
import { toDnsName } from '../../dns-name.js';

/** The list, and well-known ones that it lacks. */
const PUBLIC_MAIL: ReadonlySet<string> = new Set([...publicMailProviders, 'fastmail.com', 'tuta.com', 'tutanota.com']);

/** Reserved for documentation and tests (RFC 2606), so that nobody can own them: good for trying things out. */
const FOR_TRYING = new Set(['example', 'test']);

/** So that the name of the challenge, before it, still fits. */
const MAX_LENGTH = 253 - '_orgate-challenge.'.length;

/** A name as DNS spells it, or why an organization cannot hold it. */
export type ParsedDomain = { readonly name: string } | { readonly refusal: string };

/**
 * Reads the name of a domain that an organization could hold: one that it can have registered, alone.
 *
 * @param allowReserved whether `.example` and `.test` may be claimed
 */
export function parseDomain(text: string, allowReserved: boolean): ParsedDomain {
  const name = toDnsName(text);
  if (isIP(name ?? text.trim().replaceAll(/[[\]]/g, ''))) return { refusal: 'An address is no domain.' };
  if (name === null || name.length > MAX_LENGTH || !name.split('.').every(isLabel)) {
    return { refusal: 'Not a domain name.' };
  }
  const { domain, publicSuffix, isIcann, isPrivate } = parse(name, { allowPrivateDomains: true });
  const topLevel = name.slice(name.lastIndexOf('.') + 1);
  const isPublic = (isIcann || isPrivate) && topLevel !== 'arpa' && topLevel !== 'onion';
  if (!isPublic && !(allowReserved && FOR_TRYING.has(topLevel) && topLevel !== name)) {
    return { refusal: 'This name is not on the public internet.' };
  }
  if (domain === null || publicSuffix === name) return { refusal: 'Under this name anyone may register a domain.' };
  if (PUBLIC_MAIL.has(domain) || PUBLIC_MAIL.has(name)) {
    return { refusal: 'This domain belongs to a public mail provider.' };
  }
  return { name };
}

const isLabel = (label: string): boolean => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label);
