import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'organization.created': 'The organization was made.',
    'organization.updated': 'Its name, description, settings, features, limits or subscription changed.',
    'organization.settings_promoted':
      'Settings of it were taken over into another organization, by somebody who is an ADMIN of both.',
    'organization.slug_released': 'A former slug was given back before its time.',
    'organization.active': 'It is no longer suspended, or not to be deleted any more.',
    'organization.suspended': 'It was suspended: reads answer, mutations do not.',
    'organization.pending_deletion': 'Its deletion was asked for: its OWNERs read and export it, and may cancel that.',
    'organization.deleted': 'It was deleted.',
    'organization.seen':
      'A SYSTEM_ADMIN saw what it is called, its slug, how it stands and when it was made; told once a day of each, before it is shown.',
    'data_key.created': 'The key that the organization’s secrets are sealed under was made.',
    'data_key.updated': 'That key was sealed under another secret key of the deployment, by `npm run rotate-keys`.',
    'data_key.deleted': 'That key was deleted, and with it what was sealed under it.',
    'organization.read': 'The organization was to be read.',
  },
  leaves: {
    createOrganization: { inAnother: 'organization.created' },
    updateOrganization: 'organization.updated',
    rollbackSettings: 'organization.updated',
    promoteSettings: 'organization.updated',
    requestOrganizationDeletion: 'organization.pending_deletion',
    cancelOrganizationDeletion: 'organization.active',
    releaseSlug: 'organization.slug_released',
    setEntitlements: { inAnother: 'organization.updated' },
    suspendOrganization: { inAnother: 'organization.suspended' },
    resumeOrganization: { inAnother: 'organization.active' },
    updateSubscription: { inAnother: 'organization.updated' },
    switchOrganization: null,
    setDefaultOrganization: { inDeployment: 'person.updated' },
  },
  untold: [
    {
      what: 'work that is due, and what became of it',
      because: 'what it does is told, such as that a domain lapsed',
      tables: ['due_work', 'owed_work'],
    },
    {
      what: 'host names',
      because: 'they are told with the organization’s slug, or the domain that has them',
      tables: ['address'],
    },
    {
      what: 'versions of settings',
      because: 'what changed is told with the organization, by path',
      tables: ['settings_version'],
    },
    {
      what: 'settings as columns, for the release before',
      because: 'they are told by path',
      columns: ['organization.default_model', 'organization.default_provider', 'organization.external_agent_policy'],
    },
    {
      what: 'who of the deployment may look in, and whether people may belong elsewhere, as columns',
      because: 'they are settings, and told by path',
      columns: ['organization.support_access', 'organization.membership_rule'],
    },
    { what: 'the count that orders writers', because: 'it says nothing', columns: ['organization.lock_version'] },
  ],
} as const satisfies DomainRecord;
