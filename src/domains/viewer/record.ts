import type { DomainRecord } from '../../resource/record.js';

/** Of persons, whom the deployment knows and no organization. */
export const record = {
  actions: {
    'person.created': 'A person became known to the deployment.',
    'person.updated': 'A name, an address, a default organization or the system role of a person changed.',
    'person.active': 'A person’s account is in use again.',
    'person.disabled': 'A person’s account was disabled.',
    'person.deleted': 'A person was deleted.',
    'identity.created': 'A way to sign in was tied to a person.',
    'identity.updated': 'A way to sign in was tied to another person.',
    'identity.deleted': 'A way to sign in was taken from a person.',
    'system_admin.granted': 'A person was made SYSTEM_ADMIN, by `npm run system-admin`.',
    'system_admin.revoked': 'A person is SYSTEM_ADMIN no longer.',
  },
} as const satisfies DomainRecord;
