import type { UsageByMetric, UsageByStatus } from '../../generated/graphql.js';
import type { Period } from './period.js';

/** What a period used; what it may use is read when it is asked for. */
export interface OrganizationUsageParent {
  readonly period: Period;
  readonly totalCostMicros: number;
  readonly totalRuns: number;
  readonly totalTokens: number;
  readonly metrics: UsageByMetric[];
  readonly runsByStatus: UsageByStatus[];
}
