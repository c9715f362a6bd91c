import type { LiveImpersonation, NamedImpersonation } from '../identity/impersonations.js';
import type { Person } from '../identity/person.js';

/** Who is asking. The credential was verified, and whoever stands behind it was read in this request and is active. */
export interface Viewer {
  /** Null when a machine is asking, with whosever key. */
  readonly person: Person | null;
  /** The key that is asking; null for a person. */
  readonly apiKey: { readonly id: string; readonly isOfServiceAccount: boolean } | null;
  /** Who acts as this person, as was read in this request; null where they are themselves. */
  readonly impersonation: LiveImpersonation | null;
  readonly session: Session;
}

/** What the viewer presented. */
export interface Session {
  /** Of orgate's own session, which was live when this request began; null where another issuer's token was presented. */
  readonly id: string | null;
  /** The only organization that it reaches, where that organization's own provider signed the person in. */
  readonly boundOrgId: string | null;
  readonly lastUsedAt: Date | null;
  /** When orgate's own session began; null where there is none. */
  readonly startedAt: Date | null;
  /** In seconds since 1970; nothing made from this session outlives it. */
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
