import type { OrganizationDb } from '../../data/organization/organization-db.js';
import type { Row } from '../../data/organization/table.js';

export type ServiceAccountParent = Row<'Membership'> & { readonly id: string };

export const toServiceAccount = (row: Row<'Membership'>): ServiceAccountParent => ({ ...row, id: row.userId });

/** One that was not removed; NOT_FOUND otherwise. */
export const getServiceAccount = (db: OrganizationDb, id: string): Promise<Row<'Membership'>> =>
  db.membership.get({ userId: id, kind: 'SERVICE_ACCOUNT', status: 'ACTIVE' });
