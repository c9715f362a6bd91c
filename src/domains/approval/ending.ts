import type { RequestContext } from '../../context/context.js';
import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Actor } from '../../rights/actor.js';
import type { Deciding } from './read-approval.js';
import type { Ending } from './tell-submitter.js';

/** Where an actor has an approval end. Nobody does for somebody else. */
export const endingIn = (
  db: OrganizationDb,
  { organization: { orgId }, outside, use }: RequestContext,
  { userId: id, name }: Actor,
): Deciding & Ending => ({ db, orgId, outside, use, by: { id, name } });
