import type { LockedDb, OrganizationDb } from '../data/organization/organization-db.js';
import type { Row } from '../data/organization/table.js';
import { OrgateError } from '../errors.js';

/** LAST_OWNER when a change would leave no active OWNER. */
export async function assertOwnerStays(db: LockedDb, before: Ownership, after: Ownership): Promise<void> {
  if (!isActiveOwner(before) || isActiveOwner(after)) return;
  const owners = await db.membership.count({ role: 'OWNER', status: 'ACTIVE' });
  if (owners < 2) throw new OrgateError('LAST_OWNER');
}

/** Mailed at once: what is told an organization's OWNERs is told so many. */
const MOST_TOLD = 100;

/** Whom mail to the OWNERs reaches, in one order. */
export async function emailsOfOwners(db: OrganizationDb): Promise<string[]> {
  const where = { role: 'OWNER', status: 'ACTIVE', kind: 'PERSON' } as const;
  const owners = await db.membership.list({ where, orderBy: { email: 'asc' }, take: MOST_TOLD });
  return owners.map(({ email }) => email);
}

type Ownership = Pick<Row<'Membership'>, 'role' | 'status'>;

const isActiveOwner = ({ role, status }: Ownership): boolean => role === 'OWNER' && status === 'ACTIVE';
