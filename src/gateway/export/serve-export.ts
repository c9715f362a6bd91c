import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestContext } from '../../context/context.js';
import { stoppable } from '../../data/connection/org-connection.js';
import { EXPORTED_TABLES } from '../../domains/organization-export/exported.js';
import { assertOpen, closeLink, noteLinkOpened } from '../../domains/organization-export/link.js';
import { type ExportPage, openExporting, PAGE } from '../../domains/organization-export/outside.js';
import {
  closeUsageExport,
  type Event,
  EVENT_LINES,
  noteUsageExportOpened,
  openUsageExport,
  PAGE as EVENTS,
  readExported,
} from '../../domains/usage/export-usage.js';
import { busy } from '../../errors.js';
import { canWhereNamed, type Rule } from '../../permissions/rules.js';
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

/** Does one step of it, and says what that printed. Who asks is asked anew for each. Where there is no room for it, it is done again. */
type Turn = <T>(step: (context: RequestContext) => Promise<T>, printed?: (found: T) => readonly string[]) => Promise<T>;

/** So many seconds until what there was no room for is read again, and so many times. */
const AGAIN_S = 1;
const MOST_AGAIN = 300;

/** What a link leads to. */
interface Reading {
  readonly mediaType: string;
  readonly parts: (turn: Turn) => AsyncGenerator<string>;
  /** Before any of it is read. */
  readonly begin: (context: RequestContext) => Promise<void>;
  /** Once all of it has been taken. */
  readonly done: (context: RequestContext) => Promise<void>;
}

/** A kind of links. */
interface Kind {
  readonly url: string;
  readonly rule: Rule;
  readonly mutation: 'exportOrganization' | 'exportUsage';
  /** Rows that are read by one step. */
  readonly page: number;
  readonly open: (id: string, context: RequestContext) => Promise<Reading>;
}

const KINDS: readonly Kind[] = [
  {
    url: '/organizations/:organization/exports/:id',
    rule: canWhereNamed('organization:export'),
    mutation: 'exportOrganization',
    page: PAGE,
    open: async (id, context) => {
      await assertOpen(id, context);
      return {
        mediaType: 'application/x-ndjson',
        parts: allOf,
        begin: (reader) => noteLinkOpened(id, reader),
        done: (reader) => closeLink(id, reader),
      };
    },
  },
  {
    url: '/organizations/:organization/usage/exports/:id',
    rule: canWhereNamed('usage:read'),
    mutation: 'exportUsage',
    page: EVENTS,
    open: async (id, context) => {
      const link = await openUsageExport(id, context);
      return {
        mediaType: EVENT_LINES[link.format].mediaType,
        parts: (turn) => eventsOf(link, turn),
        begin: (reader) => noteUsageExportOpened(id, reader),
        done: (reader) => closeUsageExport(id, reader),
      };
    },
  },
];

/**
 * Serves what an organization takes away by a link: some rows at a time, each by a statement of its
 * own, so that nothing is kept and everybody else goes on being answered. Who asks is asked anew for each.
 */
export function serveExport(app: FastifyInstance, parts: AuditParts): void {
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
    for (const kind of KINDS) {
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
  { rule, mutation }: Kind,
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
  readonly kind: Kind;
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

/** Row by row, and last what all of them were. */
async function* allOf(turn: Turn): AsyncGenerator<string> {
  const hash = createHash('sha256');
  const counts: Record<string, number> = {};
  let organizationId = '';
  const sources = await turn(({ outside, organization }) => {
    organizationId = organization.orgId;
    return outside(openExporting).sources(EXPORTED_TABLES);
  });
  let rows = PAGE;
  for (const source of sources) {
    counts[source.type] = 0;
    for (let behind: readonly string[] | null = null, isMore = true; isMore;) {
      const from: readonly string[] | null = behind;
      const most = rows;
      const page: ExportPage = await turn(
        ({ outside, organization }) => outside(openExporting).page(organization.orgId, source, from, most),
        ({ lines }) => lines,
      );
      ({ behind, rows } = page);
      isMore = behind !== null;
      counts[source.type] = (counts[source.type] ?? 0) + page.lines.length;
      const text = page.lines.join('');
      hash.update(text);
      yield text;
    }
  }
  yield `${JSON.stringify({ type: 'Manifest', organizationId, counts, sha256: hash.digest('hex') })}\n`;
}

/** By day and id. */
async function* eventsOf(link: Awaited<ReturnType<typeof openUsageExport>>, turn: Turn): AsyncGenerator<string> {
  const { head, write } = EVENT_LINES[link.format];
  yield head;
  for (let behind: Event | null = null, isMore = true; isMore;) {
    const from: Event | null = behind;
    const { events, lines } = await turn(
      async (context) => {
        const found = await readExported(link, from, context);
        return { events: found, lines: found.map(write) };
      },
      (found) => found.lines,
    );
    behind = events.at(-1) ?? null;
    isMore = events.length === EVENTS;
    yield lines.join('');
  }
}
