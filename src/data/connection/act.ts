import type { AuditActorKind } from '../../generated/enums.js';

/** The request that something is done by. */
export interface Origin {
  readonly requestId?: string;
  /** The network address that it came from. */
  readonly address?: string;
}

/** In whose name a change is made, and by which request: the record tells it with every change. */
export interface Act extends Origin {
  readonly kind: AuditActorKind;
  /** Null of what the gateway does by itself. */
  readonly id: string | null;
  /** As the organization calls them; looked up there where it is left out. */
  readonly name?: string;
  /** The member whose rights a key has, or as whom somebody acts who runs the deployment. */
  readonly onBehalfOf?: string;
  /** By which access they act as that member: what they change is refused by the database once that allows it no more. */
  readonly impersonationId?: string;
  readonly reason?: string;
}

/** Whoever acts, as a request read them when it began. */
export interface ActorAsRead {
  /** The member whose rights count. */
  readonly userId: string;
  readonly role: string;
  readonly granted: readonly string[];
  readonly withheld: readonly string[];
  readonly apiKeyId: string | null;
  readonly sessionId: string | null;
}

/** What the gateway does by itself, beside requests. */
export const bySystem = (name: string): Act => ({ kind: 'SYSTEM', id: null, name });
