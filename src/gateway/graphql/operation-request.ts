import type { ExecutionResult, GraphQLFormattedError } from 'graphql';
import type { RequestContext } from '../../context/context.js';
import type { RequestRecord } from '../http/request-record.js';

/** What is asked for. */
export interface OperationRequest {
  /** As text. */
  readonly document: string;
  readonly operationName?: string | null | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly context: RequestContext;
  /** True where nothing may be changed, as by GET. */
  readonly isReadOnly?: boolean;
  /** What its door says of it, and tells when the answer is over. Where nobody waits at a door, it is made and told here. */
  readonly record?: RequestRecord;
}

/** What is asked for, where more than one answer may come. */
export interface StreamRequest extends OperationRequest {
  readonly record: RequestRecord;
  /** Aborted when nobody waits any more. */
  readonly over: AbortSignal;
  /** Asks anew who asks, with what they came with. @throws OrgateError where that does not hold any more */
  readonly renew: () => Promise<RequestContext>;
  /** Works at it when its turn comes. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** What its door keeps for as long as it is open, in bytes. */
  readonly doorBytes: number;
  /** Cuts it off, where others need the room, and says whether it did. */
  readonly giveWay: () => boolean;
}

/** What is shown: errors as clients see them, and no data where the whole request was refused and nothing of it ran. */
export type Answer = Pick<ExecutionResult, 'data'> & { readonly errors?: readonly GraphQLFormattedError[] };
