import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'account.created': 'An account was made, by a SYSTEM_ADMIN.',
    'account.updated': 'Something of an account changed.',
    'account.deleted': 'An account was deleted.',
    'account_administrator.created': 'A person was made an administrator of an account.',
    'account_administrator.updated': 'Something of an administrator of an account changed.',
    'account_administrator.deleted': 'A person is an administrator of an account no longer.',
    'account_organization.created': 'It was offered to an account, or made by one.',
    'account_organization.accepted': 'An administrator of the account took it.',
    'account_organization.offered': 'It is offered to an account again.',
    'account_organization.updated': 'Something of its belonging to an account changed.',
    'account_organization.deleted': 'It belongs to an account no longer, or is not offered to it any more.',
    'organization.usage_seen':
      'An administrator of its account saw what it is called, how it stands and what it used; told once a day of each, before it is shown.',
  },
  leaves: {
    createAccount: { inDeployment: 'account.created' },
    addAccountAdministrator: { inDeployment: 'account_administrator.created' },
    removeAccountAdministrator: { inDeployment: 'account_administrator.deleted' },
    offerOrganization: 'account_organization.created',
    acceptOrganization: { inAnother: 'account_organization.accepted' },
    withdrawOrganization: 'account_organization.deleted',
  },
  untold: [
    {
      what: 'when an account took an organization',
      because: 'that it did is told',
      columns: ['account_organization.accepted_at'],
    },
  ],
} as const satisfies DomainRecord;
