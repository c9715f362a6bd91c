import { domainToASCII } from 'node:url';

/** A name as DNS spells it, in lower case and without its last dot; null for what could not be one. */
export function toDnsName(text: string): string | null {
  const trimmed = text.trim().replace(/\.$/, '');
  // What URLs treat specially would be cut off or decoded by what follows, rather than refused.
  return /^[\p{L}\p{M}\p{N}.-]{1,253}$/u.test(trimmed) ? domainToASCII(trimmed) || null : null;
}

/** The domain of an e-mail address, as DNS spells it; null where there is none. */
/** What stands before the @, by which someone is called of whom no name is known. */
export const nameOfEmail = (email: string): string => email.replace(/@.*$/s, '');

export const domainOfEmail = (email: string): string | null => toDnsName(email.slice(email.lastIndexOf('@') + 1));
