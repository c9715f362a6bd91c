import type { DomainRecord } from '../../resource/record.js';

/** A service account is a membership, and is told of as one. */
export const record = {
  actions: { 'service_account.read': 'Service accounts were to be read.' },
  leaves: {
    createServiceAccount: 'membership.created',
    updateServiceAccount: 'membership.updated',
    removeServiceAccount: 'membership.removed',
  },
} as const satisfies DomainRecord;
