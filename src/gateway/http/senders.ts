import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { hashSecret } from '../../secrets/secret.js';
import { readSessionCookie } from '../sign-in/session-cookie.js';

/** As many credentials as are remembered, with the organization that each led into. */
const KNOWN = 5000;

/** Whose place a request takes, before it is known who asks. */
export class Senders {
  readonly #known = new LRUCache<string, string>({ max: KNOWN });

  /** The organization that this credential led into the last time, or else an address. It tells no more than that. */
  of(request: FastifyRequest): string {
    const credential = credentialOf(request);
    return (credential && this.#known.get(credential)) ?? request.network;
  }

  /** What a credential led to now: a place that it may no longer take is taken by it no more. */
  led(request: FastifyRequest, orgId: string | null): void {
    const credential = credentialOf(request);
    if (!credential) return;
    if (orgId === null) this.#known.delete(credential);
    else this.#known.set(credential, orgId);
  }
}

/** Asked for twice of each request. */
const credentials = new WeakMap<FastifyRequest, string | null>();

function credentialOf(request: FastifyRequest): string | null {
  let credential = credentials.get(request);
  if (credential === undefined) credentials.set(request, (credential = readCredential(request)));
  return credential;
}

/** All that decides who asks and where, and nothing that could be made up beside it: there is one of each session. */
function readCredential(request: FastifyRequest): string | null {
  const { authorization } = request.headers;
  // Written in many ways, a bearer token would be many, and have what others are known by forgotten.
  const credential = authorization?.replace(/^Bearer +/i, '') ?? readSessionCookie(request);
  if (!credential) return null;
  return hashSecret([credential, request.headers['x-organization-id'], request.headers['x-tenant-id']].join('\n'));
}
