import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestContext } from '../../context/context.js';
import { stoppable } from '../../data/connection/org-connection.js';
import { EXPORTED_TABLES } from '../../domains/organization-export/exported.js';
import { assertOpen, closeLink } from '../../domains/organization-export/link.js';
import { openExporting, PAGE } from '../../domains/organization-export/outside.js';
import { canWhereNamed } from '../../permissions/rules.js';
import { Streams } from '../audit/streams.js';
import type { AuditParts } from '../audit/serve-audit.js';
import { chargePoints } from '../http/limit-requests.js';
import { openContext } from '../http/open-context.js';
import { boundParts, onceTaken, takenInTime } from '../http/parts-of-answer.js';
import { inSlot } from '../http/slots.js';
import { onceDone, whenOver } from '../http/when-over.js';

interface Asked {
  Params: { organization: string; id: string };
}

const mayRead = canWhereNamed('organization:export');

/**
 * Serves all that an organization has by a link that `exportOrganization` made: some rows at a time, each by a statement of its
 * own, so that nothing is kept and everybody else goes on being answered. Who asks is asked anew for each.
 */
export function serveExport(app: FastifyInstance, parts: AuditParts): void {
  void app.register(async (exports) => {
    const streams = new Streams();
    onceDone(exports, (request, reply) => {
      const { id: requestId, routeOptions } = request;
      const { statusCode: status, elapsedTime, raw } = reply;
      const durationMs = Math.round(elapsedTime * 10) / 10;
      const left = !raw.writableFinished && { clientLeft: true };
      request.log.info({ requestId, route: routeOptions.url, status, ...left, durationMs }, 'export');
    });
    exports.get<Asked>(
      '/organizations/:organization/exports/:id',
      { exposeHeadRoute: false },
      async (request, reply) => {
        const context = await inSlot(parts.slots, parts.senders.of(request), reply, async () => {
          const entered = await enter(request, reply, parts, null);
          await assertOpen(request.params.id, entered);
          await chargePoints(parts.limits, { reading: 0, running: PAGE }, entered);
          return entered;
        });
        whenOver(reply.raw, streams.take(context.organization.orgId));
        reply.type('application/x-ndjson').header('cache-control', 'private, no-store');
        return reply.send(Readable.from(read(request, reply, parts, context)));
      },
    );
  });
}

/** Who asks now, and whether they may. */
async function enter(
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
  parts: AuditParts,
  before: RequestContext | null,
): Promise<RequestContext> {
  const context = await openContext(request, reply, parts, before, request.params.organization);
  const verdict = mayRead.check(context, 'read', null);
  if (verdict === true) return context;
  context.noteRefusal({ mutation: 'exportOrganization' }, verdict);
  throw verdict;
}

/** Row by row, and last what all of them were. Whoever may no longer is cut off. */
async function* read(
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
  parts: AuditParts,
  first: RequestContext,
): AsyncGenerator<string> {
  let context = first;
  const { orgId } = first.organization;
  const { bound, stop } = boundParts(reply, parts.maxAnswer, orgId);
  const inTurn = <T>(work: () => Promise<T>): Promise<T> =>
    inSlot(parts.slots, orgId, reply, () => stoppable(stop, work));
  const exporting = first.outside(openExporting);
  const hash = createHash('sha256');
  const counts: Record<string, number> = {};
  let isFirst = true;
  for (const source of await inTurn(() => exporting.sources(EXPORTED_TABLES))) {
    counts[source.type] = 0;
    for (let behind: readonly string[] | null = null, isMore = true; isMore;) {
      const page = await inTurn(async () => {
        if (!isFirst) context = await enter(request, reply, parts, context);
        isFirst = false;
        const found = await exporting.page(orgId, source, behind);
        bound.printed(found.lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0));
        return found;
      });
      ({ behind } = page);
      isMore = behind !== null;
      counts[source.type] = (counts[source.type] ?? 0) + page.lines.length;
      const text = page.lines.join('');
      hash.update(text);
      if (text !== '') yield* takenInTime(reply, text);
    }
  }
  yield `${JSON.stringify({ type: 'Manifest', organizationId: orgId, counts, sha256: hash.digest('hex') })}\n`;
  const reader = context;
  onceTaken(request, reply, () => closeLink(request.params.id, reader));
}
