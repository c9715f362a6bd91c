import type { DomainRecord } from '../../resource/record.js';

export const record = {
  actions: {
    'notification_preference.created': 'A member said of what, and how, they want to be told.',
    'notification_preference.updated': 'A member said otherwise of what, and how, they want to be told.',
    'notification_preference.deleted': 'What a member wanted to be told went with them.',
  },
  leaves: {
    markNotificationsRead: null,
    setNotificationPreferences: 'notification_preference.created',
  },
  untold: [
    {
      what: 'what members are told of, and that they read it',
      because: 'what it is about is told',
      tables: ['notification'],
    },
  ],
} as const satisfies DomainRecord;
