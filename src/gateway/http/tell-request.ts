import type { Logger } from 'pino';
import type { Metrics } from './metrics.js';
import type { RequestRecord } from './request-record.js';

/** How a request ended. */
export interface Ending {
  readonly ms: number;
  /** Of HTTP; undefined where it was not asked by HTTP. */
  readonly status?: number;
  /** Whether its client did not wait for the answer. */
  readonly hasLeft?: boolean;
}

/** Tells of a request that is over, whichever door it came in at. */
export type TellRequest = (record: RequestRecord, ending: Ending) => void;

/**
 * Counts each GraphQL request, and writes one line: who, where, how it was told, how long; never what was asked with. Its
 * fields are all named here, and none of them is a secret.
 */
export const createTellRequest =
  (log: Logger, { requests, duration }: Pick<Metrics, 'requests' | 'duration'>): TellRequest =>
  (record, { ms, status, hasLeft = false }) => {
    const { context, operationName, operationType, rootFields, cost, refusedBy, refusedKey, notEntered, codes } =
      record;
    log.info(
      {
        requestId: record.requestId,
        clientRequestId: record.clientRequestId,
        operationName,
        operationType,
        ...(rootFields && { rootFields }),
        cost,
        organization: context?.current?.orgId,
        organizationSource: context?.current?.source,
        viewer: context?.viewer?.person?.id ?? context?.current?.membership.userId ?? notEntered?.personId,
        apiKey: context?.viewer?.apiKey?.id,
        executor: context?.viewer?.executor?.id,
        claim: context?.viewer?.claim?.id,
        actor: context?.viewer?.impersonation?.by.id,
        status,
        ...(hasLeft && { clientLeft: true }),
        durationMs: Math.round(ms * 10) / 10,
        refusedBy,
        refusedKey,
        notEntered: notEntered?.names,
        ...(codes.size > 0 && { codes: [...codes] }),
      },
      'graphql',
    );
    const operation = operationType ?? 'none';
    const [code = 'none'] = codes;
    requests.inc({ operation, code });
    duration.observe({ operation }, ms / 1000);
  };
