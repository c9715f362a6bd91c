import type { LiveClaim } from '../identity/claims.js';
import type { LiveExecutor } from '../identity/executors.js';
import type { LiveImpersonation, NamedImpersonation } from '../identity/impersonations.js';
import type { ActiveMembership, Person } from '../identity/person.js';

/**
 * Who is asking. The credential was verified, and whoever stands behind it was read in this request and is active: with
 * `impersonation` both who acts and the member as whom.
 */
export interface Viewer {
  /** Whose rights count: also where somebody acts as them. Null when a machine is asking, with whosever key. */
  readonly person: Person | null;
  /** The key that is asking; null for a person. */
  readonly apiKey: {
    readonly id: string;
    readonly name: string;
    readonly isOfServiceAccount: boolean;
    /** What its owner holds, of which it has a part. */
    readonly owner: Pick<ActiveMembership, 'role' | 'granted' | 'withheld'>;
  } | null;
  /** Who acts as this person, as was read in this request; null where they are themselves. */
  readonly impersonation: LiveImpersonation | null;
  /** The machine of the deployment that is asking; null for everybody else. It may claim, and nothing else: see `machine-fields`. */
  readonly executor: LiveExecutor | null;
  /** The claim whose token is asking; null for everybody else. It is for its one run: see `machine-fields`. */
  readonly claim: LiveClaim | null;
  readonly session: Session;
}

/** What the viewer presented. */
export interface Session {
  /**
   * Of orgate's own session, which was live when this request began; null where another issuer's token was presented, and where
   * somebody acts as the person, who has no session of theirs.
   */
  readonly id: string | null;
  /** The only organization that it reaches: whose own provider signed the person in, or in which somebody acts as them. */
  readonly boundOrgId: string | null;
  readonly lastUsedAt: Date | null;
  /** When orgate's own session began, or when somebody began to act as the person; null where there is neither. */
  readonly startedAt: Date | null;
  /** In seconds since 1970; no token of the viewer's own that is made from this session outlives it. */
  readonly expiresAt: number;
  /** True when orgate itself issued it, and so can issue one for another organization. */
  readonly renewable: boolean;
}

/** Issues tokens where orgate issued the session. */
export interface SessionIssuer {
  /** A token of the viewer for one organization, ending when the presented one ends; null where another issued that. */
  issueFor(viewer: Viewer, orgId: string): Promise<string | null>;
  /** A token for one organization in which somebody acts as a member, which has an `act` claim (RFC 8693) and ends by itself. */
  issueActing(acting: NamedImpersonation, lifetimeS: number): Promise<string>;
}
