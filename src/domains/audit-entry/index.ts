import type {
  AuditChange,
  AuditEntryFilter,
  AuditEntryOrderField,
  QueryVerifyAuditChainArgs,
  Resolvers,
} from '../../generated/graphql.js';
import { allow, canWhereNamed, canWhereNamedOrSystemAdmin, isSystemAdmin } from '../../permissions/rules.js';
import { defineDomain } from '../../resource/define-domain.js';
import { asked, defineList, type ListArgs } from '../../resource/list.js';
import { connect } from '../../resource/paging.js';
import type { RequestContext } from '../../context/context.js';
import { REFUSALS } from '../../context/refusal.js';
import { RECORD } from '../../resource/record.js';
import { parseAction } from './actions.js';
import { record } from './record.js';
import { Refusals, WAITING_REFUSALS } from './refusals.js';
import { signCheckpoint } from './checkpoint.js';
import { openRecordOf } from './open-record-of.js';
import { createExport, urlOf } from './export-audit.js';
import { due, jobs } from './jobs.js';
import { openDeploymentChain, openDeploymentRecord } from './outside.js';
import { type AuditEntryParent, withSeals } from './parent.js';
import { chainOf } from './read-chain.js';
import { verifyChain } from './verify-chain.js';
import { whichEntries } from './which-entries.js';

export { readHead, readPlaces, STRETCH } from './read-chain.js';
export { eraseRecord } from './erase-record.js';
export { noteOpening } from './note-opening.js';
export { openEntryWriter, openHeldEntryWriter, openSealing, openVisits, type OwnEntry } from './outside.js';

interface LogArgs extends ListArgs<AuditEntryOrderField> {
  readonly filter?: AuditEntryFilter | null;
}

const OFFERED = {
  orders: { AT: { by: 'at', is: 'instant' } },
  usual: { field: 'AT', direction: 'DESC' },
} as const;

const entries = defineList('AuditEntry', {
  ...OFFERED,
  name: 'auditLog',
  where: ({ filter }: LogArgs) => whichEntries(filter),
  // One target has a million entries and the next one three: a kept plan is for three, and sorts the million. What was refused has an
  // index that only a plan for it knows.
  isPlannedAnew: (where) => Object.keys(where).length > 0,
  show: withSeals,
});

function listOfDeployment(args: LogArgs, { person, outside, use }: RequestContext) {
  const { order } = asked<AuditEntryParent, AuditEntryOrderField>({ ...OFFERED, name: 'deploymentLog' }, args);
  const record = outside(openDeploymentRecord);
  const filter = { ...args.filter, action: parseAction(use(RECORD), args.filter?.action, 'filter.action') };
  return connect(args, person.id, order, {
    read: (page) => record.list(page, filter),
    count: () => record.count(filter),
    show: (rows) => rows,
  });
}

const mayRead = canWhereNamed('audit:read');

/** As the database wrote them: by path, what was there and what is. */
const toChanges = (changes: unknown): AuditChange[] =>
  Object.entries((changes ?? {}) as Record<string, readonly [unknown, unknown]>)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, [before, after]]) => ({ path, before, after }));

const stretchOf = ({ from, to }: QueryVerifyAuditChainArgs) => ({
  from: Number(from ?? 1),
  to: to == null ? null : Number(to),
});

const resolvers = {
  Query: {
    auditLog: (_, args, context) => {
      parseAction(context.use(RECORD), args.filter?.action, 'filter.action');
      return entries.page(args, context);
    },
    deploymentLog: (_, args, context) => listOfDeployment(args, context),
    verifyAuditChain: async (_, { organizationId, ...places }, context) => {
      const verdict = (organizationId == null ? mayRead : isSystemAdmin).check(context, 'read', null);
      if (verdict !== true) throw verdict;
      const db = organizationId == null ? context.db : await openRecordOf(organizationId, context);
      return verifyChain(chainOf(db), stretchOf(places));
    },
    auditCheckpoint: (_, _args, { db, organization, use }) => signCheckpoint(chainOf(db), organization.orgId, use),
    verifyDeploymentChain: (_, places, { outside }) => verifyChain(outside(openDeploymentChain), stretchOf(places)),
    deploymentCheckpoint: (_, _args, { outside, use }) => signCheckpoint(outside(openDeploymentChain), null, use),
  },
  Mutation: {
    exportAudit: (_, { input }, context) => createExport(input, context),
  },
  AuditExport: { url: ({ id }, _args, context) => urlOf(id, context) },
  AuditEntry: {
    actor: ({ actorKind: kind, actorId: id, actorName: name }) => ({ kind, id, name }),
    changes: ({ changes }) => toChanges(changes),
    sequence: ({ sealed }) => sealed?.sequence ?? null,
    hash: ({ sealed }) => sealed?.hash ?? null,
  },
} satisfies Resolvers;

export const auditEntry = defineDomain({
  resolvers,
  grants: {
    'audit:read': { from: 'ADMIN', may: 'Read the record of who did what, and check that it is whole.' },
  },
  record,
  access: {
    Query: {
      auditLog: mayRead,
      verifyAuditChain: canWhereNamedOrSystemAdmin('audit:read'),
      auditCheckpoint: mayRead,
      deploymentLog: isSystemAdmin,
      verifyDeploymentChain: isSystemAdmin,
      deploymentCheckpoint: isSystemAdmin,
    },
    Mutation: { exportAudit: mayRead },
    AuditEntry: allow,
    AuditActor: allow,
    AuditChange: allow,
    AuditChainVerification: allow,
    AuditExport: allow,
  },
  jobs,
  due,
  provide: (parts, { use }) => {
    const refusals = new Refusals(use(RECORD));
    parts.add(REFUSALS, refusals).add(WAITING_REFUSALS, refusals);
  },
});
