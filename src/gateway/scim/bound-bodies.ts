import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { busy } from '../../errors.js';
import { fewAtOnce } from '../../jobs/few-at-once.js';
import type { JsonBounds } from '../../bound-json.js';
import { parseJson } from '../http/bodies/parse-json.js';
import { readJson } from '../http/bodies/read-json.js';
import { announcedLength, ORDINARY_BODY_BYTES } from '../http/bodies/receive-bodies.js';
import type { RateLimits } from '../http/rate-limits.js';
import { whenOver } from '../http/when-over.js';
import { GroupBodies } from './group-bodies.js';
import { SCIM } from './protocol.js';

/** Groups come with everyone in them: 50,000 members, with 160 bytes for each. */
const GROUP_BODY_BYTES = 8 * 1024 * 1024;

const BOUNDS: JsonBounds = { elements: 10_000, names: 1000, levels: 16 };

/** Of large bodies that are being received or wait for their turn, in this process. */
const MAX_LARGE_BYTES = 64 * 1024 * 1024;
/** So much of a large body comes in each two seconds, or it is not waited for. */
const LEAST_BYTES = 128 * 1024;
const LOOK_MS = 2000;
/**
 * Of those that came whole, so many are read and worked off at a time: what is read takes several times as much. Whoever waits
 * for their organization's transaction holds up no others; as many as there are transactions are worked off beside.
 */
const WORKED_OFF = 2;

const FREE_BYTES = 16_384;
const BYTES_A_POINT = 20;

const isOfGroups = (url: string | undefined): boolean => url?.includes('/Groups') ?? false;

/** To be called before the routes are declared: only groups may be large, and JSON is counted before it is parsed. */
export function boundBodies(scim: FastifyInstance): void {
  scim.decorateRequest('turnOfLargeBody', null);
  scim.decorateRequest('letOthersWork', null);
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
    readJson(scim, mediaType, (body, { method, routeOptions: { url }, turnOfLargeBody, holdParsed }) => {
      if (!isOfGroups(url)) return parseJson(body, BOUNDS, holdParsed);
      const read = () => groupBodies.read(body, method);
      return turnOfLargeBody ? turnOfLargeBody().then(read) : read();
    });
  }
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a large body, once it came whole: waits until it may be read. */
    turnOfLargeBody: (() => Promise<void>) | null;
    /** Of a large body: tells that it waits for something else than its turn, which others may have meanwhile. */
    letOthersWork: (() => void) | null;
    /** Of a large body: tells that all is done but for the client to take the answer, for which nobody waits. */
    endLargeBody: (() => void) | null;
  }
}

/** A large body, from when it is announced until it is worked off. */
class LargeBody {
  readonly #since = performance.now();
  readonly #before: number;
  readonly #socket: Socket;
  readonly #watch: NodeJS.Timeout;

  constructor(
    private readonly raw: IncomingMessage,
    readonly bytes: number,
  ) {
    this.#socket = raw.socket;
    this.#before = this.#socket.bytesRead;
    this.#watch = this.#cutWhenSlow();
  }

  /** Of what is still being received, once that tells anything: in bytes a millisecond. */
  get speed(): number | null {
    const took = performance.now() - this.#since;
    return this.raw.complete || took < LOOK_MS ? null : (this.#socket.bytesRead - this.#before) / took;
  }

  cut(): void {
    this.#socket.destroy();
  }

  end(): void {
    clearInterval(this.#watch);
  }

  /** Whoever lets others wait sends. */
  #cutWhenSlow(): NodeJS.Timeout {
    let before = this.#before;
    const watch = setInterval(() => {
      if (this.raw.complete) return clearInterval(watch);
      const { bytesRead } = this.#socket;
      if (bytesRead - before < LEAST_BYTES) this.cut();
      before = bytesRead;
    }, LOOK_MS).unref();
    return watch;
  }
}

/**
 * The bodies that are large, by the organization that sends them: many may come, and few are worked off. Where there is no
 * room for another, the slowest makes way: a few that send as slowly as they may keep nobody else out.
 */
export class LargeBodies {
  readonly #bodies = new Map<string, LargeBody>();
  readonly #workOff = fewAtOnce(WORKED_OFF, MAX_LARGE_BYTES / ORDINARY_BODY_BYTES);
  #bytes = 0;

  /** @throws SERVICE_UNAVAILABLE while the organization is sending one, or others send too much */
  take(orgId: string, request: FastifyRequest, reply: FastifyReply): void {
    const bytes = announcedLength(request) ?? 0;
    if (bytes <= ORDINARY_BODY_BYTES) return;
    if (this.#bodies.has(orgId) || !this.#makeRoom(bytes)) throw busy();
    const body = new LargeBody(request.raw, bytes);
    this.#bodies.set(orgId, body);
    this.#bytes += bytes;
    const over = new Promise<void>((end) => {
      request.letOthersWork = end;
      request.endLargeBody = () => {
        this.#end(orgId, body);
        end();
      };
      whenOver(reply.raw, request.endLargeBody);
    });
    request.turnOfLargeBody = () =>
      new Promise((begin) => {
        void this.#workOff(() => {
          begin();
          return over;
        });
      });
  }

  #makeRoom(bytes: number): boolean {
    while (this.#bytes + bytes > MAX_LARGE_BYTES) {
      let slowest: { orgId: string; body: LargeBody; speed: number } | undefined;
      for (const [orgId, body] of this.#bodies) {
        const { speed } = body;
        if (speed !== null && speed < (slowest?.speed ?? Infinity)) slowest = { orgId, body, speed };
      }
      if (!slowest) return false;
      slowest.body.cut();
      this.#end(slowest.orgId, slowest.body);
    }
    return true;
  }

  #end(orgId: string, body: LargeBody): void {
    if (this.#bodies.get(orgId) !== body) return;
    this.#bodies.delete(orgId);
    this.#bytes -= body.bytes;
    body.end();
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
export async function chargeBytesAfter(...[limits, bytes, { directoryId, orgId }]: Parameters<typeof chargeBytes>) {
  const points = pointsOf(bytes);
  if (points === 0) return;
  await limits.spend('keyPoints', directoryId, points);
  await limits.spend('organizationPoints', orgId, points);
}
