import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AbortedWith } from '../../aborted-with.js';
import type { RequestContext } from '../../context/context.js';
import { ClientLeftError } from '../../data/connection/client-left.js';
import { type AtOnce, fewAtOnce } from '../../jobs/few-at-once.js';
import { bytesOfHead } from '../http/bound-head.js';
import type { Slots } from '../http/slots.js';
import { errorBody } from '../http/error-body.js';
import { takenInTime } from '../http/parts-of-answer.js';
import type { RequestRecord } from '../http/request-record.js';
import { whenOver } from '../http/when-over.js';
import type { Answer } from './operation-request.js';
import type { RunStream } from './run.js';

export const EVENT_STREAM = 'text/event-stream';

/** Whether a client waits for events: it says so itself, and not by taking anything. */
export const takesEvents = ({ method, headers: { accept = '' } }: FastifyRequest): boolean =>
  method === 'POST' && accept.split(',').some((each) => each.split(';', 1)[0]?.trim().toLowerCase() === EVENT_STREAM);

/** What a request asks for, by the GraphQL over HTTP specification. */
interface Body {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Record<string, unknown>;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @returns what is wrong with it, as text */
function parseBody(body: unknown): Body | string {
  if (!isObject(body)) return 'Send a JSON object with a query.';
  const { query, operationName = null, variables = null } = body;
  if (typeof query !== 'string' || query === '') return 'Send a query, as text.';
  if (operationName !== null && typeof operationName !== 'string') return 'An operation name is text.';
  if (variables !== null && !isObject(variables)) return 'Variables are an object.';
  return { query, operationName, variables: variables ?? {} };
}

export interface StreamParts {
  readonly stream: RunStream;
  readonly slots: Slots;
  /** Who asks. @throws OrgateError */
  readonly open: () => Promise<RequestContext>;
  /** Who asks now, of whom that was paid. @throws OrgateError */
  readonly renew: (before: RequestContext) => Promise<RequestContext>;
  readonly record: RequestRecord;
  /** Aborted when the gateway closes: clients that wait come to another replica. */
  readonly closing: AbortedWith;
  /** Does something of this request: told in its record, and stopped with it. */
  readonly within: <T>(work: () => T) => T;
}

/** A thousand who hear of the same would fill the lane of their organization: so many of them stand in it at a time. */
const IN_LANE = 32;
const lanes = new Map<string, { open: number; readonly few: AtOnce }>();

/**
 * So many of all streams are let in anew at a time. A thousand whose minute is over, or whose rights change, at the same moment would fill the
 * line in which everybody stands who asks for anything.
 */
const ANEW_AT_ONCE = 16;
const anewInTurn = fewAtOnce(ANEW_AT_ONCE, Infinity);

/** Makes what lets streams of one organization into its lane, as long as any is open. */
function joinLane(who: string, leave: (then: () => void) => void): AtOnce {
  const lane = lanes.get(who) ?? { open: 0, few: fewAtOnce(IN_LANE, Infinity) };
  lanes.set(who, lane);
  lane.open += 1;
  leave(() => {
    lane.open -= 1;
    if (lane.open === 0) lanes.delete(who);
  });
  return lane.few;
}

/** Answers one operation by Server-Sent Events, as the GraphQL over SSE protocol has it in its distinct connections mode. */
export async function serveStream(
  request: FastifyRequest,
  reply: FastifyReply,
  parts: StreamParts,
): Promise<FastifyReply> {
  const { slots, record, closing } = parts;
  const body = parseBody(request.body);
  if (typeof body === 'string') return reply.code(400).send(errorBody('BAD_REQUEST', body, request.id));
  const { query: document, operationName, variables } = body;
  const context = await parts.open();
  const gone = new AbortController();
  // One of each for as long as it lasts, whatever is waited for meanwhile.
  let stopWaiting = () => {};
  const forget = closing.add(gone);
  whenOver(reply.raw, () => {
    forget();
    gone.abort();
    stopWaiting();
  });
  const who = context.current?.orgId ?? request.network;
  const few = joinLane(who, (then) => whenOver(reply.raw, then));
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const answer: { now?: T } = {};
    await few(async () => {
      const slot = await slots.take(who, (then) => (stopWaiting = then));
      try {
        answer.now = await parts.within(work);
      } finally {
        slot.leave();
      }
    });
    return answer.now as T;
  };
  const renew = async (): Promise<RequestContext> => {
    let renewed = context;
    await anewInTurn(async () => {
      // They may have left while they stood in line.
      if (gone.signal.aborted) throw new ClientLeftError();
      renewed = await parts.renew(context);
    });
    return renewed;
  };
  const answered = await parts.stream({
    document,
    operationName,
    variables,
    context,
    record,
    inTurn,
    over: gone.signal,
    doorBytes: bytesOfHead(request),
    giveWay: () => {
      reply.raw.destroy();
      return true;
    },
    renew,
  });
  return (
    reply
      .header('cache-control', 'no-store')
      // Proxies that gather an answer until it is whole would keep it for ever.
      .header('x-accel-buffering', 'no')
      .header('content-encoding', 'identity')
      .type(`${EVENT_STREAM}; charset=utf-8`)
      .send(Readable.from(write(reply, answered, { closing, record }), { objectMode: false }))
  );
}

const STILL_HERE = ':\n\n';
const COMPLETE = 'event: complete\ndata:\n\n';
const next = (answer: Answer): string => `event: next\ndata: ${JSON.stringify(answer)}\n\n`;

async function* write(
  reply: FastifyReply,
  answered: Awaited<ReturnType<RunStream>>,
  { closing, record }: Pick<StreamParts, 'closing' | 'record'>,
): AsyncGenerator<string> {
  if (!(Symbol.asyncIterator in answered)) {
    yield* takenInTime(reply, next(answered) + COMPLETE);
    return;
  }
  // The head goes out with it: whoever waits knows that they do.
  yield STILL_HERE;
  for await (const each of answered) {
    yield* takenInTime(reply, each ? next(each) : STILL_HERE);
    // It was taken, and the next may be hours away: what was read for it and of who asks, and printed, is nobody's any more.
    record.held?.hold(0);
  }
  // What was cut off is not complete: whoever waits asks again, behind what they have.
  if (!closing.isAborted) yield COMPLETE;
}
