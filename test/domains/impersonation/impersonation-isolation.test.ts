import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

const give = async ({ ownerId }: Target, db: OrganizationDb) => {
  const sam = { actorId: newId('usr'), actorName: 'Sam', actorEmail: 'sam@orgate.example', userId: ownerId };
  const expiresAt = new Date(Date.now() + 3_600_000);
  const looking = { id: newId('imp'), reason: 'a ticket about runs', scope: 'READ', expiresAt } as const;
  return (await db.impersonation.create({ ...sam, ...looking })).id;
};
const START = 'mutation ($input: StartImpersonationInput!) { startImpersonation(input: $input) { expiresAt } }';
const FOR_ADMINISTRATORS = 'it is for whoever runs the deployment, and refused to everyone else alike';

describeIsolation({
  'Query.supportAccessLog.after': fromCursor(
    'after',
    'supportAccessLog',
    'supportAccessLog STARTED_AT DESC',
    never('imp')(),
  ),
  'Query.supportAccessLog.before': fromCursor(
    'before',
    'supportAccessLog',
    'supportAccessLog STARTED_AT DESC',
    never('imp')(),
  ),
  'Mutation.endImpersonation.id': {
    query: 'mutation ($id: ID!) { endImpersonation(id: $id) { scope } }',
    foreign: give,
    unknown: never('imp'),
    variables: (id) => ({ id }),
  },
  'Mutation.startImpersonation.input.organizationId': {
    query: START,
    foreign: (acme: Target) => acme.id,
    unknown: never('org'),
    variables: (organizationId) => ({ input: { organizationId, userId: 'usr_0', reason: 'ticket 42: runs' } }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
  'Mutation.startImpersonation.input.userId': {
    query: START,
    foreign: (acme: Target) => acme.ownerId,
    unknown: never('usr'),
    variables: (userId, own) => ({ input: { organizationId: own.id, userId, reason: 'ticket 42: runs' } }),
    uncontrolled: FOR_ADMINISTRATORS,
  },
});
