import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';

/** A second version of the settings. */
export async function give(db: OrganizationDb): Promise<void> {
  const changes = { 'branding.displayName': [null, 'Assist'] };
  await db.settingsVersion.create({ version: 2, at: db.now(), byKind: 'SYSTEM', byName: 'test', changes });
  await db.organization.update({}, { settings: { 'branding.displayName': 'Assist' }, settingsVersion: 2 });
}
