import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestContext } from '../../context/context.js';
import { stoppable } from '../../data/connection/org-connection.js';
import { busy } from '../../errors.js';
import type { Download, Reading, Turn } from '../../resource/download.js';
import { codeOf } from '../../thrown.js';
import type { AuditParts } from '../audit/serve-audit.js';
import { chargeOnceLeft, chargePoints } from '../http/limit-requests.js';
import { openContext } from '../http/open-context.js';
import { boundParts, onceTaken, pause, Taking } from '../http/parts-of-answer.js';
import { idsOf } from '../http/request-record.js';
import { Streams } from '../http/streams.js';
import { inSlot } from '../http/slots.js';
import { onceDone, whenOver } from '../http/when-over.js';
import { LargeParts } from './large-parts.js';

interface Asked {
  Params: { organization: string; id: string };
}

/** So many seconds until what there was no room for is read again, and so many times. */
const AGAIN_S = 1;
const MOST_AGAIN = 300;

/**
 * Serves what an organization takes away by a link: some rows at a time, each by a statement of its
 * own, so that nothing is kept and everybody else goes on being answered. Who asks is asked anew for each.
 */
export function serveExport(app: FastifyInstance, parts: AuditParts, downloads: readonly Download[]): void {
  void app.register(async (exports) => {
    const streams = new Streams();
    const large = new LargeParts();
    onceDone(exports, (request, reply) => {
      const { routeOptions } = request;
      const { statusCode: status, elapsedTime, raw } = reply;
      const durationMs = Math.round(elapsedTime * 10) / 10;
      const left = !raw.writableFinished && { clientLeft: true };
      request.log.info({ ...idsOf(request), route: routeOptions.url, status, ...left, durationMs }, 'export');
    });
    for (const kind of downloads) {
      exports.get<Asked>(kind.url, { exposeHeadRoute: false }, async (request, reply) => {
        const { context, reading } = await inSlot(parts.slots, parts.senders.of(request), reply, async () => {
          const entered = await enter(request, reply, parts, kind, null);
          const opened = await kind.open(request.params.id, entered);
          await chargePoints(parts.limits, { reading: 0, running: kind.page }, entered);
          whenOver(reply.raw, streams.take(entered));
          await opened.begin(entered);
          return { context: entered, reading: opened };
        });
        reply.type(reading.mediaType).header('cache-control', 'private, no-store');
        return reply.send(Readable.from(read(request, reply, { parts, kind, large, context, reading })));
      });
    }
  });
}

/** Who asks now, and whether they may. */
async function enter(
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
  parts: AuditParts,
  { rule, mutation }: Download,
  before: RequestContext | null,
): Promise<RequestContext> {
  const context = await openContext(request, reply, parts, before, request.params.organization);
  const verdict = rule.check(context, 'read', null);
  if (verdict === true) return context;
  context.noteRefusal({ mutation }, verdict);
  throw verdict;
}

interface Job {
  readonly parts: AuditParts;
  readonly kind: Download;
  readonly large: LargeParts;
  readonly context: RequestContext;
  readonly reading: Reading;
}

/** Part by part, as quickly as they are taken. Whoever may no longer is cut off. */
async function* read(request: FastifyRequest<Asked>, reply: FastifyReply, job: Job): AsyncGenerator<string> {
  const { parts, kind, reading, large } = job;
  let { context } = job;
  const { orgId } = context.organization;
  const { bound, stop } = boundParts(reply, parts.maxAnswer, orgId);
  let isFirst = true;
  // A point for each row. The first page was paid for when that could still be refused; what follows waits for its turn.
  let paid = kind.page;
  // Of what is large some wait to be taken at a time, not counted to what answers may hold together.
  let giveBack = (): void => undefined;
  whenOver(reply.raw, () => giveBack());
  const turn: Turn = async (step, printed) => {
    giveBack();
    for (let tries = 0; ; tries += 1) {
      const done = await inSlot(parts.slots, orgId, reply, () =>
        stoppable(stop, async () => {
          if (!isFirst) context = await enter(request, reply, parts, kind, context);
          isFirst = false;
          const found = await step(context);
          const lines = printed?.(found) ?? [];
          const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
          const room = large.take(orgId, bytes);
          return room && { found, rows: lines.length, room };
        }),
      ).catch((error: unknown) => {
        if (codeOf(error) !== 'SERVICE_UNAVAILABLE') throw error;
        return null;
      });
      bound.hold(0);
      if (done) {
        giveBack = done.room;
        const more = done.rows - paid;
        paid = Math.max(-more, 0);
        if (more > 0) await chargeOnceLeft(parts.limits, more, context, (seconds) => pause(reply, seconds));
        return done.found;
      }
      if (tries >= MOST_AGAIN) throw busy();
      await pause(reply, AGAIN_S);
    }
  };
  const taking = new Taking(reply);
  for await (const text of reading.parts(turn)) if (text !== '') yield* taking.part(text);
  const reader = context;
  onceTaken(request, reply, () => reading.done(reader));
}
