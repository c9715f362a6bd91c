import type { FastifyRequest } from 'fastify';
import { withinSessionScope } from '../../context/enter-organization.js';
import type { Outside } from '../../data/connection/outside.js';
import { openRegistry } from '../../identity/registry.js';
import type { LiveSession, Person, PersonInOrganizations } from '../../identity/person.js';
import { hashSecret } from '../../secrets/secret.js';
import { readSessionCookie } from './session-cookie.js';

/** Whoever signed in in a browser, read in this request: an active person, by a session that has not ended. */
export interface SignedIn extends Pick<PersonInOrganizations, 'memberships'> {
  readonly person: Person;
  readonly session: LiveSession;
}

/** Who signed in in the browser that sent this request; for pages, which have no token. */
export async function findSignedIn(outside: Outside, request: FastifyRequest): Promise<SignedIn | null> {
  const cookie = readSessionCookie(request);
  if (cookie === null) return null;
  const found = await outside(openRegistry).findPerson({ kind: 'cookie', cookieHash: hashSecret(cookie) }, []);
  if (!found?.session || found.person.status !== 'ACTIVE') return null;
  return { ...found, person: withinSessionScope(found), session: found.session };
}
