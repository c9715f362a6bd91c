import type { RunStatus } from '../../generated/enums.js';
import type { Period } from './period.js';

/** What a period used; what it may use is read when it is asked for. */
export interface OrganizationUsageParent {
  readonly period: Period;
  readonly totalCostMicros: number;
  readonly totalRuns: number;
  readonly totalTokens: number;
  readonly metrics: {
    readonly metric: string;
    readonly quantity: number | bigint;
    readonly costMicros: number | bigint;
  }[];
  readonly runsByStatus: { readonly status: RunStatus; readonly count: number }[];
}
