import { z } from 'zod';

/** Names that would read as orgate's own, or that browsers and mail treat specially. */
const RESERVED = new Set(
  `about abuse account accounts acme-challenge admin administrator api app apps assets auth billing blog cdn callback
  console contact dashboard dev docs download email example ftp git graphiql graphql health help host hostmaster imap info
  internal invite invitations legal livez localhost login logout mail metrics mx new news noreply null oauth
  official oidc orgate organization organizations pop pop3 postmaster privacy public readyz register root saml scim
  security settings signin signout signup smtp staff static status subscribe support system team terms test token tokens
  undefined user users webhook webhooks webmaster well-known wpad www`.split(/\s+/),
);

/** A DNS label that names an organization: unique, because it becomes a host name. */
export const slugText = z
  .string('Must not be null.')
  .min(3, 'At least 3 characters.')
  .max(63, 'At most 63 characters.')
  .regex(/^[a-z0-9-]*$/, 'Lower-case letters, digits and hyphens only.')
  .regex(/^[^-].*[^-]$/, 'No hyphen at the beginning or the end.')
  .refine((slug) => !/^..--/.test(slug), 'Names with hyphens in third and fourth place are reserved.')
  .refine((slug) => !RESERVED.has(slug), 'This name is reserved.');
