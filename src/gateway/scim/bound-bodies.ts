import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { busy, OrgateError } from '../../errors.js';
import type { JsonBounds } from '../bodies/bound-json.js';
import { readJson } from '../bodies/read-json.js';
import { announcedLength, ORDINARY_BODY_BYTES } from '../bodies/receive-bodies.js';
import type { RateLimits } from '../rate-limits.js';
import { SCIM } from './protocol.js';

/** Groups come with everyone in them: 50,000 members, with 160 bytes for each. */
const GROUP_BODY_BYTES = 8 * 1024 * 1024;

/** Of these 50,000 members each may say four things beside its id. */
const GROUP_BOUNDS: JsonBounds = { elements: 300_000, members: 1000, levels: 16 };
const BOUNDS: JsonBounds = { elements: 10_000, members: 1000, levels: 16 };

/** At once, in this process. */
const MAX_LARGE_BODIES = 2;

const FREE_BYTES = 16_384;
const BYTES_A_POINT = 20;

const isOfGroups = (url: string | undefined): boolean => url?.includes('/Groups') ?? false;

/** To be called before the routes are declared: only groups may be large, and JSON is counted before it is parsed. */
export function boundBodies(scim: FastifyInstance): void {
  scim.addHook('onRoute', (route) => {
    route.bodyLimit = isOfGroups(route.url) ? GROUP_BODY_BYTES : ORDINARY_BODY_BYTES;
  });
  for (const mediaType of [SCIM.mediaType, 'application/json']) {
    readJson(scim, mediaType, ({ routeOptions: { url } }) => (isOfGroups(url) ? GROUP_BOUNDS : BOUNDS));
  }
}

/** The few bodies that are large, by the organization that sends them. */
export class LargeBodies {
  readonly #senders = new Set<string>();

  /** @throws SERVICE_UNAVAILABLE while the organization is sending one, or too many others are */
  take(orgId: string, request: FastifyRequest, reply: FastifyReply): void {
    if ((announcedLength(request) ?? 0) <= ORDINARY_BODY_BYTES) return;
    if (this.#senders.has(orgId) || this.#senders.size >= MAX_LARGE_BODIES) throw busy();
    this.#senders.add(orgId);
    reply.raw.once('close', () => this.#senders.delete(orgId));
  }
}

/** What bytes cost, to read them or to write them. */
const pointsOf = (bytes: number): number => Math.max(Math.ceil((bytes - FREE_BYTES) / BYTES_A_POINT), 0);

/**
 * Charges bytes to a directory and then, if that passes, to its organization.
 *
 * @throws RATE_LIMITED
 */
export async function chargeBytes(
  limits: RateLimits,
  bytes: number,
  { directoryId, orgId }: { readonly directoryId: string; readonly orgId: string },
): Promise<void> {
  const points = pointsOf(bytes);
  if (points === 0) return;
  await limits.count('keyPoints', directoryId, points);
  await limits.count('organizationPoints', orgId, points);
}

/** The same for bytes that are known too late to refuse any: whoever is over the limit is refused from then on. */
export const chargeBytesAfter = (...charge: Parameters<typeof chargeBytes>): Promise<void> =>
  chargeBytes(...charge).catch((error: unknown) => {
    if (!(error instanceof OrgateError && error.code === 'RATE_LIMITED')) throw error;
  });
