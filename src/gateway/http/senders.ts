import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { hashSecret } from '../../secrets/secret.js';

/** As many credentials as are remembered, with the organization that each led into. */
const KNOWN = 5000;

/** Whose place a request takes, before it is known who asks. */
export class Senders {
  readonly #known = new LRUCache<string, string>({ max: KNOWN });

  /** The organization that this credential led into the last time, or else an address. It tells no more than that. */
  of(request: FastifyRequest): string {
    const credential = credentialOf(request.headers);
    return (credential && this.#known.get(credential)) ?? request.network;
  }

  /** What a credential led to now: a place that it may no longer take is taken by it no more. */
  led({ headers }: FastifyRequest, orgId: string | null): void {
    const credential = credentialOf(headers);
    if (!credential) return;
    if (orgId === null) this.#known.delete(credential);
    else this.#known.set(credential, orgId);
  }
}

/** All that decides who asks and where. */
function credentialOf(headers: IncomingHttpHeaders): string | null {
  const { authorization, cookie } = headers;
  if (!authorization && !cookie) return null;
  return hashSecret([authorization, cookie, headers['x-organization-id'], headers['x-tenant-id']].join('\n'));
}
