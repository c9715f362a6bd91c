import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { busy, OrgateError } from '../../errors.js';
import { fewAtOnce } from '../../jobs/few-at-once.js';
import type { JsonBounds } from '../http/bodies/bound-json.js';
import { parseJson } from '../http/bodies/parse-json.js';
import { readJson } from '../http/bodies/read-json.js';
import { announcedLength, ORDINARY_BODY_BYTES } from '../http/bodies/receive-bodies.js';
import type { RateLimits } from '../http/rate-limits.js';
import { whenOver } from '../http/when-over.js';
import { GroupBodies } from './group-bodies.js';
import { SCIM } from './protocol.js';

/** Groups come with everyone in them: 50,000 members, with 160 bytes for each. */
const GROUP_BODY_BYTES = 8 * 1024 * 1024;

const BOUNDS: JsonBounds = { elements: 10_000, members: 1000, levels: 16 };

/** Of large bodies that are being received or wait for their turn, in this process. */
const MAX_LARGE_BYTES = 64 * 1024 * 1024;
/** So much of a large body comes in each two seconds, or it is not waited for. */
const LEAST_BYTES = 128 * 1024;
const LOOK_MS = 2000;
/** Of those that came whole, so many are read and worked off at a time: what is read takes several times as much. */
const WORKED_OFF = 2;

const FREE_BYTES = 16_384;
const BYTES_A_POINT = 20;

const isOfGroups = (url: string | undefined): boolean => url?.includes('/Groups') ?? false;

/** To be called before the routes are declared: only groups may be large, and JSON is counted before it is parsed. */
export function boundBodies(scim: FastifyInstance): void {
  scim.decorateRequest('turnOfLargeBody', null);
  scim.decorateRequest('endLargeBody', null);
  scim.addHook('onRoute', (route) => {
    route.bodyLimit = isOfGroups(route.url) ? GROUP_BODY_BYTES : ORDINARY_BODY_BYTES;
  });
  scim.addHook('onSend', (request, _reply, payload, done) => {
    request.endLargeBody?.();
    done(null, payload);
  });
  const groupBodies = new GroupBodies((err) => scim.log.error({ err }, 'the thread that reads large groups ended'));
  scim.addHook('onClose', async () => groupBodies.end());
  for (const mediaType of [SCIM.mediaType, 'application/json']) {
    readJson(scim, mediaType, (body, { method, routeOptions: { url }, turnOfLargeBody }) => {
      if (!isOfGroups(url)) return parseJson(body, BOUNDS);
      const read = () => groupBodies.read(body, method);
      return turnOfLargeBody ? turnOfLargeBody().then(read) : read();
    });
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a large body, once it came whole: waits until it may be read. */
    turnOfLargeBody: (() => Promise<void>) | null;
    /** Of a large body: tells that all is done but for the client to take the answer, for which nobody waits. */
    endLargeBody: (() => void) | null;
  }
}

/** The bodies that are large, by the organization that sends them: many may come, and few are worked off. */
export class LargeBodies {
  readonly #senders = new Set<string>();
  readonly #workOff = fewAtOnce(WORKED_OFF, MAX_LARGE_BYTES / ORDINARY_BODY_BYTES);
  #bytes = 0;

  /** @throws SERVICE_UNAVAILABLE while the organization is sending one, or others send too much */
  take(orgId: string, request: FastifyRequest, reply: FastifyReply): void {
    const length = announcedLength(request) ?? 0;
    if (length <= ORDINARY_BODY_BYTES) return;
    if (this.#senders.has(orgId) || this.#bytes + length > MAX_LARGE_BYTES) throw busy();
    this.#senders.add(orgId);
    this.#bytes += length;
    const watch = cutWhenSlow(request);
    const over = new Promise<void>((end) => {
      request.endLargeBody = end;
      whenOver(reply.raw, end);
    });
    void over.then(() => {
      clearInterval(watch);
      this.#senders.delete(orgId);
      this.#bytes -= length;
    });
    request.turnOfLargeBody = () =>
      new Promise((begin) => {
        void this.#workOff(() => {
          begin();
          return over;
        });
      });
  }
}

/** Whoever lets others wait sends. */
function cutWhenSlow({ raw }: FastifyRequest): NodeJS.Timeout {
  let before = raw.socket.bytesRead;
  const watch = setInterval(() => {
    if (raw.complete) return clearInterval(watch);
    const { bytesRead } = raw.socket;
    if (bytesRead - before < LEAST_BYTES) raw.socket.destroy();
    before = bytesRead;
  }, LOOK_MS).unref();
  return watch;
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
