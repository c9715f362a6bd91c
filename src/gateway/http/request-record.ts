import { AsyncLocalStorage } from 'node:async_hooks';
import type { FastifyRequest } from 'fastify';
import type { RequestContext } from '../../context/context.js';
import type { ReadBound } from '../../data/connection/read-bound.js';
import type { RateLimit } from './rate-limits.js';

/** What a request is called in every line that the log has of it. */
export interface RequestIds {
  /** Our own: nobody else chooses what finds a request. */
  readonly requestId: string;
  /** What the client or a proxy calls the request, if a log line can hold it. */
  readonly clientRequestId?: string | undefined;
}

/** What one request says of itself in its log line, filled in as it becomes known. Never variables or arguments. */
export interface RequestRecord extends RequestIds {
  /** Whom limits count it against; null where nobody sent it from anywhere. Never logged. */
  readonly address: string | null;
  operationName?: string | undefined;
  operationType?: string;
  /** What tells an operation without a name apart: its root fields, each once; null where it has a name. */
  rootFields?: readonly string[] | null;
  /** In points. */
  cost?: number;
  /** The limit that refused it. */
  refusedBy?: RateLimit;
  /** What is held in memory for its answer. */
  held?: ReadBound;
  context?: RequestContext;
  /** The key that was refused, as far as it has an id, and why; the client is not told. */
  refusedKey?: { readonly id: string | null; readonly why: string };
  /** The organizations that the request named and its person is not in. The record of none of them tells it. */
  notEntered?: { readonly personId: string; readonly names: readonly string[] };
  /** Codes of the errors that the client was shown, each once: a stream may fail a thousand times a minute for hours. */
  readonly codes: Set<string>;
}

const records = new AsyncLocalStorage<RequestRecord>();

/** The record of the request that is being answered; errors are formatted far from the request they belong to. */
export const currentRecord = (): RequestRecord | undefined => records.getStore();

export const withRecord = <T>(record: RequestRecord, work: () => T): T => records.run(record, work);

/** What a line of the log calls a request that came by HTTP, whatever it tells of it. */
export const idsOf = ({ id, headers }: Pick<FastifyRequest, 'id' | 'headers'>): RequestIds => ({
  requestId: id,
  clientRequestId: clientRequestIdOf(headers['x-request-id']),
});

/** The same of a request whose record is at hand. */
export const idsIn = ({ requestId, clientRequestId }: RequestRecord): RequestIds => ({ requestId, clientRequestId });

const clientRequestIdOf = (header: string | string[] | undefined): string | undefined =>
  typeof header === 'string' && /^[\w.:+/=-]{1,128}$/.test(header) ? header : undefined;
