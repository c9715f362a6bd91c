import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestContext } from '../../context/context.js';
import { stoppable } from '../../data/connection/org-connection.js';
import { closeExport, noteExportOpened, openExport } from '../../domains/audit-entry/export-audit.js';
import { noteStreaming } from '../../domains/audit-entry/note-streaming.js';
import { readHead, STRETCH } from '../../domains/audit-entry/read-chain.js';
import { readStretch } from '../../domains/audit-entry/read-stretch.js';
import type { EntryFilter } from '../../domains/audit-entry/which-entries.js';
import { type Lines, LINES } from '../../domains/audit-entry/write-lines.js';
import { badInput } from '../../errors.js';
import { canWhereNamed, type Rule, withFeature } from '../../permissions/rules.js';
import { type ContextParts, openContext } from '../http/open-context.js';
import { chargeOnceLeft, chargePoints } from '../http/limit-requests.js';
import { boundParts, onceTaken, pause, Taking } from '../http/parts-of-answer.js';
import { idsOf } from '../http/request-record.js';
import { inSlot, type Slots } from '../http/slots.js';
import { onceDone, whenOver } from '../http/when-over.js';
import { Streams } from '../http/streams.js';

export interface AuditParts extends ContextParts {
  readonly slots: Slots;
  /** Of one answer of GraphQL, in characters; four times as much may be read at once here, too. */
  readonly maxAnswer: number;
}

interface Asked {
  Params: { organization: string; id?: string };
  Querystring: { after?: string | string[] };
}

declare module 'fastify' {
  interface FastifyRequest {
    reader: RequestContext | null;
  }
}

/** What is read of a record, and how far. */
interface Reading {
  readonly lines: Lines;
  readonly where: EntryFilter;
  /** The last place that is read. */
  readonly last: number;
  /** Where it goes on once that is read; the same place where it does not. */
  readonly goOn: (context: RequestContext) => Promise<number>;
  /** Before any of it is read. */
  readonly begin: (context: RequestContext) => Promise<void>;
  /** Once all of it has been taken. */
  readonly done: (context: RequestContext) => Promise<void>;
}

const mayRead = canWhereNamed('audit:read');
const mayStream = withFeature('audit_stream', mayRead);

/**
 * Serves the record of an organization as text: by a link that `exportAudit` made, and to whoever keeps a copy, from any place
 * on to the newest. It is read by stretches, each by statements of its own, and who asks is asked anew for each.
 */
export function serveAudit(app: FastifyInstance, parts: AuditParts): void {
  void app.register(async (audit) => {
    audit.decorateRequest('reader', null);
    const streams = new Streams();
    onceDone(audit, (request, reply) => {
      const { method, routeOptions, reader } = request;
      const { current, viewer } = reader ?? {};
      request.log.info(
        {
          ...idsOf(request),
          method,
          route: routeOptions.url,
          organization: current?.orgId,
          viewer: viewer?.person?.id ?? current?.membership.userId,
          apiKey: viewer?.apiKey?.id,
          status: reply.statusCode,
          ...(!reply.raw.writableFinished && { clientLeft: true }),
          durationMs: Math.round(reply.elapsedTime * 10) / 10,
        },
        'audit',
      );
    });
    const serve = (
      rule: Rule,
      open: (context: RequestContext, request: FastifyRequest<Asked>) => Promise<Reading>,
    ) => ({
      method: ['GET', 'HEAD'],
      exposeHeadRoute: false,
      handler: async (request: FastifyRequest<Asked>, reply: FastifyReply) => {
        const after = parseAfter(request.query.after);
        const { context, reading } = await inSlot(parts.slots, parts.senders.of(request), reply, async () => {
          const entered = await enter(request, reply, parts, rule, null);
          const opened = await open(entered, request);
          if (request.method !== 'HEAD') {
            // Refused while that can be said; what follows waits for its turn.
            await chargePoints(parts.limits, priceOf(after, opened.last), entered);
            whenOver(reply.raw, streams.take(entered));
            await opened.begin(entered);
          }
          return { context: entered, reading: opened };
        });
        reply.type(reading.lines.mediaType).header('cache-control', 'private, no-store');
        if (request.method === 'HEAD') return reply.send();
        return reply.send(Readable.from(read(request, reply, { parts, rule, context, reading, after })));
      },
    });
    audit.route<Asked>({ url: '/organizations/:organization/audit', ...serve(mayStream, openStream) });
    audit.route<Asked>({ url: '/organizations/:organization/audit/exports/:id', ...serve(mayRead, openLink) });
  });
}

/** Who asks now, and whether they may. */
async function enter(
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
  parts: AuditParts,
  rule: Rule,
  before: RequestContext | null,
): Promise<RequestContext> {
  const context = await openContext(request, reply, parts, before, request.params.organization);
  request.reader = context;
  const verdict = rule.check(context, 'read', null);
  if (verdict === true) return context;
  context.noteRefusal({ permission: 'audit:read' }, verdict);
  throw verdict;
}

function parseAfter(after: Asked['Querystring']['after']): number {
  if (after === undefined) return 0;
  const place = typeof after === 'string' && /^\d{1,15}$/.test(after) ? Number(after) : Number.NaN;
  if (!Number.isSafeInteger(place))
    throw badInput('after', 'Must be the last sequence that came, a number of 0 or more.');
  return place;
}

const newest = async ({ db }: RequestContext): Promise<number> => Number((await readHead(db))?.sequence ?? 0n);

/** From any place to the newest, also of what comes while it is read. */
async function openStream(context: RequestContext): Promise<Reading> {
  return {
    lines: LINES.NDJSON,
    where: {},
    last: await newest(context),
    goOn: newest,
    begin: noteStreaming,
    done: () => Promise.resolve(),
  };
}

/** What a link is to, once. */
async function openLink(context: RequestContext, { params }: FastifyRequest<Asked>): Promise<Reading> {
  const { id, format, last, where } = await openExport(params.id ?? '', context);
  return {
    lines: LINES[format],
    where,
    last,
    goOn: () => Promise.resolve(last),
    begin: (reader) => noteExportOpened(id, reader),
    done: (reader) => closeExport(id, reader),
  };
}

/** A point for each place, as where a record is verified. */
const priceOf = (after: number, last: number) => ({
  reading: 0,
  running: Math.max(Math.min(STRETCH, last - after), 0),
});

interface Job {
  readonly parts: AuditParts;
  readonly rule: Rule;
  readonly context: RequestContext;
  readonly reading: Reading;
  readonly after: number;
}

/** Reads stretch by stretch, as quickly as they are taken. Whoever may no longer is cut off. */
async function* read(request: FastifyRequest<Asked>, reply: FastifyReply, job: Job): AsyncGenerator<string> {
  const { parts, rule, reading } = job;
  const { lines, where } = reading;
  let { context, after } = job;
  let { last } = reading;
  const { bound, stop } = boundParts(reply, parts.maxAnswer, context.organization.orgId);
  const taking = new Taking(reply);
  if (after === 0 && lines.head !== '') yield lines.head;
  while (after < last) {
    const from = after;
    if (from !== job.after) {
      const { running } = priceOf(from, last);
      await chargeOnceLeft(parts.limits, running, context, (seconds) => pause(reply, seconds));
    }
    const text = await inSlot(parts.slots, context.organization.orgId, reply, () =>
      stoppable(stop, async () => {
        if (from !== job.after) context = await enter(request, reply, parts, rule, context);
        const entries = await readStretch(context.db, { after: from, last, where });
        const written = entries.map(lines.write).join('');
        bound.printed(Buffer.byteLength(written));
        after = Math.min(from + STRETCH, last);
        if (after === last) last = await reading.goOn(context);
        return written;
      }),
    );
    if (text !== '') yield* taking.part(text);
  }
  const reader = context;
  onceTaken(request, reply, () => reading.done(reader));
}
