import type { Row } from '../../data/organization/table.js';
import type { SupportScope } from '../../generated/enums.js';
import type { LiveImpersonation } from '../../identity/impersonations.js';
import type { UserParent } from '../viewer/parent.js';

export type { Administrator as AdministratorParent } from '../../identity/impersonations.js';

/** One that is under way, as the viewer has it, or any of the current organization. */
export interface ImpersonationParent extends LiveImpersonation {
  readonly userId: string;
  /** The member, where the organization may not be the request's own; otherwise looked up there. */
  readonly onBehalfOf?: UserParent;
  /** What it may, or could do at the most. */
  readonly scope: SupportScope;
  readonly endedAt: Date | null;
}

/** As it is kept, at an instant. */
export const toImpersonation = (row: Row<'Impersonation'>, now: Date): ImpersonationParent => ({
  id: row.id,
  by: { id: row.actorId, name: row.actorName, email: row.actorEmail },
  userId: row.userId,
  reason: row.reason,
  scope: row.scope,
  startedAt: row.createdAt,
  expiresAt: row.expiresAt,
  endedAt: row.endedAt ?? (row.expiresAt <= now ? row.expiresAt : null),
});
