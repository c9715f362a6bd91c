import type { Resolvers } from '../../generated/graphql.js';
import { allow, canAsPersonLeaving } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { DOWNLOAD } from './download.js';
import { LINK_LAPSES, makeLink, urlOf } from './link.js';
import { record } from './record.js';

const resolvers = {
  Mutation: { exportOrganization: (_, _args, context) => makeLink(context) },
  OrganizationExport: { url: ({ id }, _args, context) => urlOf(id, context) },
} satisfies Resolvers;

export const organizationExport = defineDomain({
  resolvers,
  grants: {
    'organization:export': { from: 'OWNER', may: 'Take away all that the organization has, but for secrets.' },
  },
  record,
  access: {
    Mutation: { exportOrganization: canAsPersonLeaving('organization:export') },
    OrganizationExport: allow,
  },
  due: [LINK_LAPSES],
  downloads: [DOWNLOAD],
});
