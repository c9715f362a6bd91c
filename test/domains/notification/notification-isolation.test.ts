import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

const give = async ({ ownerId: userId }: Target, db: OrganizationDb) => {
  const id = newId('ntf');
  const row = { id, userId, kind: 'ALERT', text: 'canary', occasion: id, isListed: true, at: new Date() } as const;
  return (await db.notification.create(row)).id;
};

const ORDER = 'notifications AT DESC';

describeIsolation({
  'Query.notifications.after': fromCursor('after', 'notifications', ORDER, never('ntf')()),
  'Query.notifications.before': fromCursor('before', 'notifications', ORDER, never('ntf')()),
  'Mutation.markNotificationsRead.ids': {
    query: 'mutation ($ids: [ID!]!) { markNotificationsRead(ids: $ids) { readAt } }',
    foreign: give,
    unknown: never('ntf'),
    variables: (id) => ({ ids: [id] }),
  },
});
