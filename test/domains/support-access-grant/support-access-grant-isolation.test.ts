import { newId } from '../../../src/data/id.js';
import type { OrganizationDb } from '../../../src/data/organization/organization-db.js';
import { describeIsolation, fromCursor, never, type Target } from '../../support/isolation.js';

const give = async ({ ownerId }: Target, db: OrganizationDb) => {
  const expiresAt = new Date(Date.now() + 3_600_000);
  return (await db.supportAccessGrant.create({ id: newId('sag'), scope: 'READ', grantedById: ownerId, expiresAt })).id;
};

describeIsolation({
  'Query.supportAccessGrants.after': fromCursor(
    'after',
    'supportAccessGrants',
    'supportAccessGrants CREATED_AT DESC',
    never('sag')(),
  ),
  'Query.supportAccessGrants.before': fromCursor(
    'before',
    'supportAccessGrants',
    'supportAccessGrants CREATED_AT DESC',
    never('sag')(),
  ),
  'Mutation.revokeSupportAccess.id': {
    query: 'mutation ($id: ID!) { revokeSupportAccess(id: $id) { scope } }',
    foreign: give,
    unknown: never('sag'),
    variables: (id) => ({ id }),
  },
});
