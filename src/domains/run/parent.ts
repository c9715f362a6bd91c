import type { LiveClaim } from '../../identity/claims.js';
import type { Row } from '../../data/organization/table.js';

/** What `ClaimedRun` is answered from. */
export interface ClaimedRunParent {
  readonly claim: LiveClaim;
  readonly runId: string;
  readonly attempt: number;
  readonly leaseExpiresAt: Date;
  readonly agentId: string | null;
  readonly run: Row<'Run'>;
  /** As they were while the claim held, and what it does was what was allowed. */
  readonly agent: Row<'Agent'> | null;
  readonly repository: Row<'Repository'> | null;
}

/** A credential that a claimed run needs, whose secret is opened where it is asked for. */
export interface ClaimedCredentialParent {
  readonly id: string;
  readonly kind: Row<'Credential'>['kind'];
  readonly name: string;
  readonly provider: string;
  readonly config: Record<string, unknown>;
}
