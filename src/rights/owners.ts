import type { LockedDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { OrgateError } from '../errors.js';

/** LAST_OWNER when a change would leave no active OWNER. */
export async function assertOwnerStays(db: LockedDb, before: Ownership, after: Ownership): Promise<void> {
  if (!isActiveOwner(before) || isActiveOwner(after)) return;
  const owners = await db.membership.count({ role: 'OWNER', status: 'ACTIVE' });
  if (owners < 2) throw new OrgateError('LAST_OWNER');
}

type Ownership = Pick<Row<'Membership'>, 'role' | 'status'>;

const isActiveOwner = ({ role, status }: Ownership): boolean => role === 'OWNER' && status === 'ACTIVE';
