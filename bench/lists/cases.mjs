import { readdirSync, readFileSync } from 'node:fs';
import { buildSchema, getNamedType, isEnumType, isInputObjectType, isObjectType } from 'graphql';
import { PROJECT } from '../settings.mjs';

/** How each list of the contract is reached, and what it is filtered by. @typedef {{ in?: string, args?: object[] }} List */

const MONTH = { createdFrom: '2026-02-01T00:00:00Z', createdBefore: '2026-03-01T00:00:00Z' };
const DAY = { createdFrom: '2025-12-20T00:00:00Z', createdBefore: '2025-12-21T00:00:00Z' };
const HALF = { createdFrom: '2025-12-01T00:00:00Z', createdBefore: '2026-06-01T00:00:00Z' };
const NEVER = { createdFrom: '2020-01-01T00:00:00Z', createdBefore: '2020-02-01T00:00:00Z' };

/** Each is one of those that find much, few and nothing; together they do so as well. */
function runFilters({ largeAgent, smallAgent, largeRepository, smallRepository, largeCreator, smallCreator }) {
  const statuses = [
    ['SUCCEEDED'],
    ['FAILED'],
    ['CANCELLED'],
    ['QUEUED'],
    ['QUEUED', 'RUNNING'],
    ['QUEUED', 'CANCELLED', 'FAILED'],
    ['AWAITING_APPROVAL', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  ];
  const sets = [
    [{}, ...statuses.map((status) => ({ status }))],
    [{}, { agentId: largeAgent }, { agentId: smallAgent }],
    [{}, { repositoryId: largeRepository }, { repositoryId: smallRepository }],
    [{}, { createdById: largeCreator }, { createdById: smallCreator }],
    [{}, MONTH, DAY, HALF, NEVER],
  ];
  const all = sets.reduce((before, set) => before.flatMap((one) => set.map((more) => ({ ...one, ...more }))), [{}]);
  // A window is one filter. All alone and in pairs, and some of the many that combine more.
  const filtersOf = (filter) => Object.keys(filter).filter((name) => name !== 'createdBefore').length;
  return all.filter((filter, index) => filtersOf(filter) <= 2 || index % 5 === 0);
}

/** Each order from both ends, as it comes and where text is searched: what finds much, few and nothing. */
function ordersAndSearches(fields, searches, others = []) {
  const orders = fields.flatMap((field) =>
    ['ASC', 'DESC'].map((direction) => ({ orderBy: { field: { enum: field }, direction: { enum: direction } } })),
  );
  const filters = [...searches.map((search) => ({ search })), ...others];
  const found = filters.map((filter) => ({ filter }));
  return [...orders, ...found, ...orders.flatMap((order) => found.map((filter) => ({ ...order, ...filter })))];
}

/** What of a record finds much, little and nothing, alone and in pairs; each order from both ends. */
function ofRecord({ actor, target }) {
  const sets = [
    [{ actorId: actor }, { actorId: 'usr_nobody' }],
    [{ action: 'repository.updated' }, { action: 'domain.lapsed' }],
    [{ targetId: target }, { targetId: 'rep_none' }],
    [{ outcome: { enum: 'DONE' } }, { outcome: { enum: 'REFUSED' } }],
    [{ from: '2026-02-01T00:00:00Z', before: '2026-03-01T00:00:00Z' }, { before: '2020-01-01T00:00:00Z' }],
  ];
  const pairs = sets.flatMap((set, index) =>
    sets.slice(index + 1).flatMap((others) => set.flatMap((one) => others.map((other) => ({ ...one, ...other })))),
  );
  const filters = [...sets.flat(), ...pairs].map((filter) => ({ filter }));
  return [{}, ...filters, ...ordersAndSearches(['AT'], [])];
}

/** Days of usage: a month, one day, all before or since one, and none. */
function dayFilters() {
  return [
    { from: '2026-02-01', to: '2026-02-28' },
    { from: '2025-12-20', to: '2025-12-20' },
    { from: '2026-05-01' },
    { to: '2026-05-01' },
    { to: '2020-01-01' },
  ];
}

/** @returns {Record<string, List>} */
export function lists(ids) {
  const ofRuns = runFilters(ids).map((filter) => ({ filter }));
  const statuses = (...names) => [{}, ...names.map((status) => ({ status: { enum: status } }))];
  const runOrders = ordersAndSearches(['CREATED_AT'], []);
  const orders = [{}, { order: { enum: 'CREATED_AT_ASC' } }];
  const any = (...names) => names.map((name) => ({ enum: name }));
  const ofAgents = ordersAndSearches(
    ['NAME', 'CREATED_AT', 'UPDATED_AT'],
    ['AGENT', '0777', 'nothing'],
    [{ repositoryId: ids.largeRepository }],
  );
  const ofRepositories = ordersAndSearches(
    ['NAME', 'CREATED_AT', 'UPDATED_AT', 'LAST_SYNCED_AT'],
    ['REPOSITORY', '0777', 'nothing'],
  );
  const members = [
    ...statuses('INVITED', 'ACTIVE', 'SUSPENDED', 'REMOVED'),
    ...ordersAndSearches(
      ['EMAIL', 'NAME', 'CREATED_AT', 'JOINED_AT'],
      ['LARGE', 'member-4999', 'nothing'],
      [
        { status: any('SUSPENDED', 'REMOVED') },
        { role: any('OWNER', 'ADMIN') },
        { status: any('ACTIVE', 'SUSPENDED'), role: any('DEVELOPER', 'VIEWER'), search: 'nothing' },
      ],
    ),
  ];
  const ofOrganizations = ordersAndSearches(['CREATED_AT', 'NAME'], ['org', '77', 'nothing']);
  const ofApprovals = [
    ...[['PENDING'], ['APPROVED'], ['CANCELLED'], ['REJECTED', 'EXPIRED'], ['APPROVED', 'PENDING'], []].map(
      (status) => ({ status }),
    ),
    { subjectId: ids.allowedRun },
    { subjectId: 'run_none' },
    { status: ['APPROVED'], subjectId: ids.allowedRun },
    { status: ['PENDING', 'EXPIRED'], subjectId: ids.allowedRun },
  ];
  const ofAttempts = [
    ...[['STATUS'], ['INSIDE'], ['TIMEOUT', 'UNREACHABLE']].map((problem) => ({ problem: any(...problem) })),
    { deliveryId: ids.delivery },
    { deliveryId: 'whd_none' },
    { deliveryId: ids.delivery, problem: any('STATUS') },
  ];
  return {
    'Query.accounts': { args: [{}, ...ordersAndSearches(['CREATED_AT', 'NAME'], [])] },
    'Query.agents': { args: [{}, ...ofAgents] },
    'Query.apiKeys': {
      args: [
        {},
        { ownerId: ids.largeCreator },
        { ownerId: ids.smallCreator },
        ...ordersAndSearches(
          ['CREATED_AT', 'NAME', 'EXPIRES_AT', 'LAST_USED_AT'],
          ['KEY', '4999', 'nothing'],
          [{ ownerId: ids.largeCreator }],
        ),
      ],
    },
    'Query.approvals': { args: [{}, ...ordersAndSearches(['CREATED_AT'], [], ofApprovals)] },
    'Query.auditLog': { args: ofRecord({ actor: ids.largeCreator, target: ids.largeRepository }) },
    'Query.credentials': {
      args: [
        {},
        ...ordersAndSearches(
          ['NAME', 'CREATED_AT', 'ROTATED_AT', 'LAST_USED_AT'],
          ['CREDENTIAL', 'provider-7', 'nothing'],
          [{ kind: any('GIT', 'INTEGRATION') }, { enabled: false }],
        ),
      ],
    },
    'Query.deploymentLog': { args: ofRecord({ actor: ids.largeCreator, target: ids.largeRepository }) },
    'Query.domains': {
      args: [{}, ...ordersAndSearches(['NAME', 'CREATED_AT'], ['domain'], [{ status: any('VERIFIED') }])],
    },
    'Query.identityProviders': { args: [{}, ...ordersAndSearches(['CREATED_AT', 'NAME'], ['provider'])] },
    'Query.invitations': {
      args: [
        ...statuses('PENDING', 'EXPIRED', 'ACCEPTED', 'DECLINED', 'REVOKED'),
        ...ordersAndSearches(
          ['CREATED_AT', 'EMAIL', 'EXPIRES_AT'],
          ['INVITED', 'invited-4999', 'nothing'],
          [{ status: { enum: 'EXPIRED' } }],
        ),
      ],
    },
    'Query.joinRequests': {
      args: [
        ...statuses('PENDING', 'APPROVED', 'DECLINED'),
        ...ordersAndSearches(
          ['CREATED_AT', 'EMAIL'],
          ['ASKING', 'asking-4999', 'nothing'],
          [{ status: any('PENDING', 'DECLINED') }],
        ),
      ],
    },
    'Query.members': { args: members },
    'Query.mySessions': {},
    'Query.notifications': {
      args: [undefined, true, false].flatMap((unread) =>
        [{}, ...ordersAndSearches(['AT'], [])].map((order) => ({ ...(unread !== undefined && { unread }), ...order })),
      ),
    },
    'Query.myOrganizations': { args: [{}, ...ofOrganizations] },
    'Query.organizations': { args: [{}, ...ofOrganizations] },
    'Query.repositories': { args: [{}, ...ofRepositories] },
    'Query.runs': {
      args: [
        ...ofRuns,
        ...ofRuns.filter((_, index) => index % 29 === 0).map((one) => ({ ...one, ...orders[1] })),
        ...ordersAndSearches(['CREATED_AT'], []),
      ],
    },
    'Query.scimDirectories': { args: [{}, ...ordersAndSearches(['CREATED_AT', 'NAME'], ['directory'])] },
    'Query.serviceAccounts': {
      args: [
        {},
        ...ordersAndSearches(['CREATED_AT', 'NAME'], ['SERVICE', '999', 'nothing'], [{ role: any('VIEWER', 'ADMIN') }]),
      ],
    },
    'Query.supportAccessGrants': { args: [{}, ...ordersAndSearches(['CREATED_AT'], [])] },
    'Query.supportAccessLog': { args: [{}, ...ordersAndSearches(['STARTED_AT'], [])] },
    'Query.usageEvents': { args: [{}, ...ordersAndSearches(['DAY'], [], dayFilters())] },
    'Query.webhooks': {
      args: [{}, ...ordersAndSearches(['CREATED_AT', 'URL'], ['HOOKS', 'nothing'], [{ status: any('DISABLED') }])],
    },
    'Account.organizations': { in: `account(id: "${ids.account}")`, args: [{}, ...ofOrganizations] },
    'Webhook.attempts': {
      in: `webhook(id: "${ids.webhook}")`,
      args: [{}, ...ordersAndSearches(['AT'], [], ofAttempts)],
    },
    'Organization.members': { in: 'currentOrganization', args: members },
    'Organization.repositories': { in: 'currentOrganization', args: [{}, ...ofRepositories.slice(-3)] },
    'Organization.agents': { in: 'currentOrganization', args: [{}, ...ofAgents.slice(-3)] },
    'Organization.runs': {
      in: 'currentOrganization',
      args: [
        {},
        { filter: { status: ['QUEUED', 'FAILED'], ...HALF } },
        orders[1],
        ...ordersAndSearches(['CREATED_AT'], []),
      ],
    },
    'AgentRepository.agents': { in: `repository(id: "${ids.largeRepository}")`, args: [{}, ...ofAgents] },
    'AgentRepository.runs': { in: `repository(id: "${ids.largeRepository}")`, args: [...orders, ...runOrders] },
    'Agent.runs': { in: `agent(id: "${ids.largeAgent}")`, args: [...orders, ...runOrders] },
    'ScimDirectory.groups': {
      in: `node(id: "${ids.directory}") { ... on ScimDirectory`,
      closing: ' }',
      args: [{}, ...ordersAndSearches(['CREATED_AT', 'DISPLAY_NAME'], ['GROUP', '999', 'nothing'])],
    },
    'Query.settingsVersions': { args: [{}, ...ordersAndSearches(['VERSION'], [])] },
    'Viewer.memberships': { in: 'viewer' },
  };
}

const usageByDay = (from, to, by, metric) =>
  `{ usageByDay${write({ from, to, by: { enum: by }, ...(metric && { metric }) })} { day key quantity costMicros } }`;

/** What is counted or added up beside lists. */
export const counts = (ids) => ({
  'ScimDirectory.userCount': `{ node(id: "${ids.directory}") { ... on ScimDirectory { userCount } } }`,
  'ScimGroup.memberCount': `{ node(id: "${ids.directory}") { ... on ScimDirectory { groups(first: 100) { nodes { memberCount } } } } }`,
  'Query.organizationUsage':
    '{ organizationUsage(period: "2026-02") { totalRuns totalTokens totalCostMicros runsByStatus { status count } } }',
  'Query.organizationUsage, of a day':
    '{ organizationUsage(period: "2026-02-14") { totalRuns totalTokens totalCostMicros runsByStatus { status count } } }',
  'Organization.usage': '{ currentOrganization { usage { totalRuns totalTokens } } }',
  'AccountOrganization.usage': `{ account(id: "${ids.account}") { organizations(first: 20) { nodes { usage(period: "2026-02") { totalRuns totalTokens } } } } }`,
  'Query.usageStatement': '{ usageStatement(period: "2026-02") { totalRuns totalTokens metrics { metric quantity } } }',
  'Query.usageByDay, metrics of a year': usageByDay('2025-11-01', '2026-10-31', 'METRIC'),
  'Query.usageByDay, providers of a year': usageByDay('2025-11-01', '2026-10-31', 'PROVIDER'),
  'Query.usageByDay, agents of ten days': usageByDay('2026-02-01', '2026-02-10', 'AGENT'),
  'Query.usageByDay, persons of five days': usageByDay('2026-02-01', '2026-02-05', 'PERSON', 'tokens'),
  'the approvals of 100 runs': '{ runs(first: 100) { nodes { approval { status } } } }',
  'what was said of 100 approvals': '{ approvals(first: 100) { nodes { decisions { decision } } } }',
  'whom 100 approvals wait for':
    '{ approvals(first: 100, filter: { status: [PENDING] }) { nodes { inputHash waitsFor { id } } } }',
  'the latest 5 runs of 100 repositories':
    '{ repositories(first: 100) { nodes { runs(first: 5) { totalCount nodes { id } } } } }',
  'the agents of 100 repositories that are searched for':
    '{ repositories(first: 100) { nodes { agents(first: 20, orderBy: { field: UPDATED_AT, direction: DESC }, filter: { search: "agent" }) { totalCount nodes { id } } } } }',
  'the runs of 100 agents': '{ agents(first: 100) { nodes { runs(first: 20) { totalCount nodes { id } } } } }',
});

/** As it is written: this package may have a `graphql` of its own, which knows no schema of another's. */
const readContract = () =>
  readdirSync(`${PROJECT}schema`)
    .map((name) => readFileSync(`${PROJECT}schema/${name}`, 'utf8'))
    .join('\n');

/** Every list of the schema with what it can be filtered by: whatever of it is not asked for ends the benchmark. */
export function forgotten(table, counted) {
  const schema = buildSchema(readContract());
  const missing = [];
  const queried = Object.values(schema.getQueryType().getFields()).map((field) => getNamedType(field.type));
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || /^__|(Connection|Edge)$/.test(type.name)) continue;
    for (const field of Object.values(type.getFields())) {
      const name = `${type.name}.${field.name}`;
      if (getNamedType(field.type).name === 'OrganizationUsage' || field.name.endsWith('Count')) {
        if (!(name in counted)) missing.push(name);
      }
      if (!getNamedType(field.type).name.endsWith('Connection')) continue;
      const list = table[name];
      if (!list) missing.push(name);
      for (const argument of list ? field.args : []) {
        if (['first', 'after', 'last', 'before'].includes(argument.name)) continue;
        const given = (list.args ?? []).map((args) => args[argument.name]).filter((value) => value !== undefined);
        const input = getNamedType(argument.type);
        const inner = isInputObjectType(input) ? Object.keys(input.getFields()) : [];
        if (given.length === 0) missing.push(`${name}(${argument.name})`);
        // A list that is another's under a second name is tried with some of the filters.
        const isFirst = type === schema.getQueryType() || !queried.includes(getNamedType(field.type));
        const fields = isInputObjectType(input) ? getNamedType(input.getFields().field?.type) : undefined;
        const orders = isFirst && isEnumType(fields) ? fields.getValues().map((value) => value.name) : [];
        for (const each of orders)
          if (!given.some((value) => value.field.enum === each)) missing.push(`${name}(${argument.name}: ${each})`);
        for (const each of isFirst && !fields ? inner : [])
          if (!given.some((value) => each in value)) missing.push(`${name}(${argument.name}.${each})`);
      }
    }
  }
  for (const name of Object.keys(table)) {
    const [type, field] = name.split('.');
    if (!schema.getType(type)?.getFields()[field]) missing.push(`${name}, which the schema does not have`);
  }
  return missing;
}

/** Arguments as they stand in a document. */
export function write(args) {
  const value = (given) => {
    if (given !== null && typeof given === 'object' && 'enum' in given) return given.enum;
    if (Array.isArray(given)) return `[${given.map((each) => each.enum ?? each).join(', ')}]`; // of enums
    if (typeof given === 'object')
      return `{ ${Object.entries(given)
        .map(([name, each]) => `${name}: ${value(each)}`)
        .join(', ')} }`;
    return JSON.stringify(given);
  };
  const all = Object.entries(args).map(([name, each]) => `${name}: ${value(each)}`);
  return all.length > 0 ? `(${all.join(', ')})` : '';
}
