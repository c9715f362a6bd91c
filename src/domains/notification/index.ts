import { z } from 'zod';
import type { RequestContext } from '../../context/context.js';
import type { Filter, Row } from '../../data/organization/table.js';
import type { NotificationOrderField, Resolvers } from '../../generated/graphql.js';
import { allow, isMemberOneself } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { parseInput } from '../../resource/input.js';
import { defineList, type ListArgs } from '../../resource/list.js';
import { due, oldest } from './jobs.js';
import { readPreferences, setPreferences } from './preferences.js';
import { record } from './record.js';

interface NotificationArgs extends ListArgs<NotificationOrderField> {
  readonly unread?: boolean | null;
}

/** What the viewer was told since they are a member this time: what may come behind their removal is of before. */
function ownSince({ db, actorId, organization }: RequestContext): Filter<Row<'Notification'>> {
  const lapsed = oldest(db);
  const joined = organization.membership.joinedAt ?? lapsed;
  const since = joined > lapsed ? { gte: joined } : { gt: lapsed };
  return { userId: actorId, isListed: true, at: since };
}

const notifications = defineList('Notification', {
  name: 'notifications',
  orders: { AT: { by: 'id' } },
  usual: { field: 'AT', direction: 'DESC' },
  where: ({ unread }: NotificationArgs, context) => ({
    ...ownSince(context),
    ...(unread != null && { readAt: unread ? null : { not: null } }),
  }),
});

const MOST_AT_ONCE = 100;
const readInput = z.array(z.string()).max(MOST_AT_ONCE, `At most ${MOST_AT_ONCE}.`);

async function markRead(given: readonly string[], context: RequestContext): Promise<Row<'Notification'>[]> {
  const { db } = context;
  const own = { ...ownSince(context), id: { in: parseInput(readInput, given, 'ids') } };
  await db.notification.updateMany({ ...own, readAt: null }, { readAt: db.now() });
  return db.notification.list({ where: own, orderBy: { id: 'desc' }, take: MOST_AT_ONCE });
}

const resolvers = {
  Query: {
    notifications: (_, args, context) => notifications.page(args, context),
    notificationPreferences: (_, _args, context) => readPreferences(context),
  },
  Mutation: {
    markNotificationsRead: (_, { ids }, context) => markRead(ids, context),
    setNotificationPreferences: (_, { input }, context) => setPreferences(input, context),
  },
} satisfies Resolvers;

export const notification = defineDomain({
  resolvers,
  record,
  due,
  access: {
    Query: { notifications: isMemberOneself, notificationPreferences: isMemberOneself },
    Mutation: { markNotificationsRead: isMemberOneself, setNotificationPreferences: isMemberOneself },
    Notification: allow,
    NotificationPreference: allow,
  },
  node: {
    prefix: 'ntf',
    type: 'Notification',
    rule: isMemberOneself,
    find: (id, context) => context.db.notification.find({ ...ownSince(context), id }),
  },
});

export { type News, notify, type Receivers } from './notify.js';
