import { randomBytes } from 'node:crypto';
import type { RequestContext } from '../../context/context.js';
import { ALLOW_RESERVED_DOMAINS } from '../../context/deployment.js';
import { HOSTS } from '../../context/hosts.js';
import { newId } from '../../data/id.js';
import { badInput, conflict } from '../../errors.js';
import type { DomainFilter, DomainOrderField, Resolvers } from '../../generated/graphql.js';
import { allow, can } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { anyOf, defineList, type ListArgs } from '../../resource/list.js';
import { asActor } from '../../rights/actor.js';
import { challengeOf, verifyDomain } from './check-domain.js';
import { parseDomain } from './domain-name.js';
import { owed } from './jobs.js';
import type { DomainParent } from './parent.js';
import { record } from './record.js';
import { setDomainServing } from './set-domain-serving.js';

const MAX_DOMAINS = 100;

const domains = defineList('OrganizationDomain', {
  name: 'domains',
  orders: { NAME: { by: 'name', isUnique: true }, CREATED_AT: { by: 'id' } },
  usual: { field: 'NAME', direction: 'ASC' },
  search: ['name'],
  where: ({ filter }: ListArgs<DomainOrderField, DomainFilter>) => anyOf({ status: filter?.status }),
});

function addDomain(text: string, context: RequestContext): Promise<DomainParent> {
  const parsed = parseDomain(text, context.use(ALLOW_RESERVED_DOMAINS));
  if ('refusal' in parsed) throw badInput('name', parsed.refusal);
  const { name } = parsed;
  return asActor(context, 'domain:manage', async (db) => {
    if (await db.organizationDomain.find({ name })) throw conflict('This domain is claimed already.', 'name');
    if ((await db.organizationDomain.count({})) >= MAX_DOMAINS) {
      throw conflict(`An organization claims at most ${MAX_DOMAINS} domains.`);
    }
    const challenge = `orgate-domain-verification=${randomBytes(20).toString('hex')}`;
    return db.organizationDomain.create({ id: newId('dom'), name, challenge });
  });
}

const removeDomain = (id: string, context: RequestContext): Promise<string> =>
  asActor(context, 'domain:manage', async (db) => {
    const { heldName } = await db.organizationDomain.get({ id });
    await db.organizationDomain.delete({ id });
    if (heldName !== null) await db.address.delete({ name: heldName });
    return id;
  });

const resolvers = {
  Query: {
    domains: (_, args, context) => domains.page(args, context),
  },
  Mutation: {
    addDomain: (_, { name }, context) => addDomain(name, context),
    verifyDomain: (_, { id }, context) => verifyDomain(id, context),
    setDomainServing: (_, args, context) => setDomainServing(args, context),
    removeDomain: (_, { id }, context) => removeDomain(id, context),
  },
  Domain: {
    record: challengeOf,
    lastCheck: ({ checkedAt, checkFound, checkProblem }) =>
      checkedAt && { at: checkedAt, found: checkFound, problem: checkProblem },
    serving: ({ serving: enabled, servingFound: found }, _args, { use }) => ({
      enabled,
      expected: use(HOSTS).target(),
      found,
    }),
  },
} satisfies Resolvers;

export const domain = defineDomain({
  resolvers,
  grants: {
    'domain:read': { from: 'ADMIN', may: 'Read the domains that the organization claims.' },
    'domain:manage': { from: 'ADMIN', may: 'Claim, prove and remove domains, and say how people join by them.' },
  },
  record,
  access: {
    Query: { domains: can('domain:read') },
    Mutation: {
      addDomain: can('domain:manage'),
      verifyDomain: can('domain:manage'),
      setDomainServing: can('domain:manage'),
      removeDomain: can('domain:manage'),
    },
    Domain: allow,
    DomainRecord: allow,
    DomainCheck: allow,
    DomainServing: allow,
  },
  node: {
    prefix: 'dom',
    type: 'Domain',
    rule: can('domain:read'),
    find: (id, { db }) => db.organizationDomain.load(id),
  },
  owed,
});
