import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { RequestContext } from '../../context/context.js';
import type { ReadBound } from '../../data/connection/read-bound.js';
import type { RateLimit } from './rate-limits.js';

/** What one request says of itself in its log line, filled in as it becomes known. Never variables or arguments. */
export interface RequestRecord {
  readonly requestId: string;
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
  /** Codes of the errors that the client was shown. */
  readonly codes: string[];
}

const records = new AsyncLocalStorage<RequestRecord>();

/** The record of the request that is being answered; errors are formatted far from the request they belong to. */
export const currentRecord = (): RequestRecord | undefined => records.getStore();

export const withRecord = <T>(record: RequestRecord, work: () => T): T => records.run(record, work);

/** The id that the client or a proxy gave the request, if it is well-formed, or a new one. */
export function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:+/=-]{8,128}$/.test(header) ? header : randomUUID();
}
