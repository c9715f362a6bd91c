import DataLoader from 'dataloader';
import type { RequestContext } from '../../context/context.js';
import { notFound } from '../../errors.js';
import type { Resolvers } from '../../generated/graphql.js';
import { openSessions, type SessionSummary } from '../../identity/sessions.js';
import { allow, isOneself, isPerson } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { connect, type Order } from '../../resource/paging.js';
import { record } from './record.js';

const byAge: Order<SessionSummary> = { name: 'sessions', column: { by: 'id' }, direction: 'desc' };

const sessionsById = ({ sessionScope, outside }: RequestContext) =>
  new DataLoader<string, SessionSummary | null>(async (ids) => {
    const found = new Map((await outside(openSessions).find(sessionScope, ids)).map((card) => [card.id, card]));
    return ids.map((id) => found.get(id) ?? null);
  });

const resolvers = {
  Query: {
    mySessions: (_, args, { sessionScope, outside }) => {
      const sessions = outside(openSessions);
      return connect(args, sessionScope.personId, byAge, {
        read: (page) => sessions.list(sessionScope, page),
        count: () => sessions.count(sessionScope),
        show: (rows) => rows,
      });
    },
  },
  Mutation: {
    revokeSession: async (_, { id }, { sessionScope, outside, act }) => {
      if (!(await outside(openSessions).end(sessionScope, id, 'REVOKED', act))) throw notFound();
      return id;
    },
    signOut: async (_, _args, { sessionScope, viewer, outside, act }) => {
      const id = viewer?.session.id ?? null;
      return id !== null && (await outside(openSessions).end(sessionScope, id, 'SIGNED_OUT', act));
    },
    signOutEverywhere: (_, _args, { sessionScope, outside, act }) =>
      outside(openSessions).endAll(sessionScope, 'SIGNED_OUT', act),
  },
  Session: {
    isCurrent: ({ id }, _args, { viewer }) => id === viewer?.session.id,
    boundOrganizationId: ({ boundOrgId }) => boundOrgId,
  },
} satisfies Resolvers;

export const session = defineDomain({
  resolvers,
  record,
  access: {
    Query: { mySessions: isOneself },
    Mutation: { revokeSession: isPerson, signOut: isPerson, signOutEverywhere: isPerson },
    Session: allow,
  },
  node: {
    prefix: 'ses',
    type: 'Session',
    rule: allow,
    find: async (id, context) => (context.viewer?.impersonation ? null : context.once(sessionsById).load(id)),
  },
});
