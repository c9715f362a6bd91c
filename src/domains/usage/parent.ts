import type { RunStatus } from '../../generated/enums.js';
import type { OrgId } from '../../data/id.js';
import type { RequestDb } from '../../data/organization/organization-db.js';
import type { Period } from './period.js';

/** What a period used; what it may use is read when it is asked for. */
export interface OrganizationUsageParent {
  /** Whose it is: the current organization's, that of one that an account looks at, or any, for whoever runs the deployment. */
  readonly of: { readonly orgId: OrgId; readonly db: RequestDb };
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

/** What a month used, which no longer changes once it is closed. */
export interface UsageStatementParent extends Pick<
  OrganizationUsageParent,
  'totalRuns' | 'totalTokens' | 'totalCostMicros' | 'metrics'
> {
  readonly period: string;
  readonly isClosed: boolean;
  readonly closesAt: Date;
}
