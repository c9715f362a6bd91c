import { beforeAll, describe, expect, test } from '@jest/globals';
import { getNamedType, isObjectType } from 'graphql';
import { newId } from '../../src/data/id.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { openSessions } from '../../src/identity/sessions.js';
import { givenKey, givenServiceAccount } from '../support/api-key.js';
import type { GivenEverything } from '../support/given-everything.js';
import { givenOrganization, personId } from '../support/given.js';
import { givenReaderOfAll, listIn, listQuery, LISTS } from '../support/lists.js';
import { type Client, codeOf, useServer } from '../support/server.js';
import { byTest } from '../support/act.js';

const server = useServer();
let acme: GivenEverything;
let globex: GivenEverything;
/** In both organizations, and a system administrator: whoever can ask for every list there is. */
let everyone: Client;

beforeAll(async () => {
  const given = await givenReaderOfAll(server);
  ({ acme, globex, everyone } = given);
  for (const { owner } of [acme, globex]) {
    await givenKey(server, owner, ['run:read'], { serviceAccountId: await givenServiceAccount(owner, 'VIEWER') });
    await givenKey(server, owner, ['run:read']);
  }
  for (let count = 0; count < 2; count += 1) {
    await server.database
      .outside(openSessions)
      .start({ personId: given.id, provider: null, boundOrgId: null, userAgent: null });
  }
});

/** Whole at once, because there are never many: six statuses, five certificates, the permissions, a hundred of what a removal stops, the columns of a row. */
const SHORT_LISTS = [
  'OrganizationUsage.runsByStatus',
  'Query.providerHealth',
  'ProviderResolution.passedOver',
  'Run.providers',
  'Approval.waitsFor',
  'Approval.decisions',
  'ApprovalSettings.requireFor',
  'Query.permissionCatalogue',
  'Query.executors',
  'ClaimRunsPayload.runs',
  'ClaimedRun.credentials',
  'Agent.credentials',
  'Account.administrators',
  'SamlSettings.certificates',
  'Query.joinableOrganizations',
  'MemberRemovalPreview.apiKeys',
  'MemberRemovalPreview.serviceAccountKeys',
  'MemberRemovalPreview.invitationsSent',
  'MemberRemovalPreview.directories',
  'MemberRemovalPreview.identityProviders',
  'AuditEntry.changes',
  'SettingsVersion.changes',
  'Organization.features',
  'Organization.formerSlugs',
  'OrganizationUsage.metrics',
  'Query.usageAlerts',
  'Query.webhookEventTypes',
  'Query.notificationPreferences',
  'Mutation.markNotificationsRead',
  'Mutation.setNotificationPreferences',
  'Query.usageByDay',
  'UsageStatement.metrics',
  'RecordUsageBatchPayload.outcomes',
  'Organization.limits',
  'Organization.siblings',
  'OrganizationSet.organizations',
  'OrganizationSet.elsewhere',
  'Query.regions',
  'Query.checkOrganizationNames',
  'OrganizationComparison.differences',
  'OrganizationComparison.credentials',
  'PromoteSettingsPayload.changes',
];

/** Lists that belong to the person, not to an organization. */
const OWN_LISTS = [
  'Query.mySessions',
  'Query.myOrganizations',
  'Query.organizations',
  'Query.deploymentLog',
  'Query.accounts',
  'Account.organizations',
  'Viewer.memberships',
];

const query = (name: string, args: string, selection: string, at = acme) => listQuery(name, args, selection, at);

const PAGE =
  'nodes { __typename } edges { cursor node { __typename } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';

test('this table has every list of the schema, and every list of rows is a connection', () => {
  const lists: string[] = [];
  for (const type of Object.values(createContract().schema.getTypeMap())) {
    if (!isObjectType(type) || type.name.startsWith('__')) continue;
    for (const field of Object.values(type.getFields())) {
      const isRows = String(field.type).startsWith('[') && isObjectType(getNamedType(field.type));
      const isPaging = /(Connection|Edge)$/.test(type.name);
      if (isRows && !isPaging) expect(SHORT_LISTS).toContain(`${type.name}.${field.name}`);
      if (getNamedType(field.type).name.endsWith('Connection')) {
        lists.push(`${type.name}.${field.name}`);
        const names = field.args.map(({ name }) => name);
        expect(names).toEqual(expect.arrayContaining(['first', 'after', 'last', 'before']));
      }
    }
  }
  const missing = lists.filter((name) => !(name in LISTS));
  expect(missing.map((name) => `${name}: say in NESTED of test/support/lists.ts how it is reached`)).toEqual([]);
  expect(Object.keys(LISTS).filter((name) => !lists.includes(name))).toEqual([]);
});

describe.each(Object.keys(LISTS))('%s', (name) => {
  test('has edges, nodes and page info that say the same', async () => {
    const { data, errors } = await everyone(query(name, '(first: 1)', `${PAGE} totalCount`));
    expect(errors).toEqual([]);
    const { nodes, edges, pageInfo, totalCount } = listIn(data);
    if (nodes.length === 0) throw new Error(`make one for ${name} in test/support/given-everything.ts`);
    expect(edges.map(({ node }) => node)).toEqual(nodes);
    expect(pageInfo).toEqual({
      hasNextPage: totalCount > 1,
      hasPreviousPage: false,
      startCursor: edges[0]?.cursor,
      endCursor: edges[0]?.cursor,
    });
    const next = listIn((await everyone(query(name, `(first: 100, after: "${edges[0]?.cursor}")`, PAGE))).data);
    expect(next.pageInfo.hasPreviousPage).toBe(true);
    expect(next.nodes).toHaveLength(Math.min(totalCount - 1, 100));
  });

  test('is the same list from its end', async () => {
    const read = async (args: string) => {
      const { data, errors } = await everyone(query(name, args, `${PAGE} totalCount`));
      expect(errors).toEqual([]);
      return listIn(data);
    };
    // Of all organizations there may be more than a page: other tests make theirs beside.
    const all = [await read('(first: 100)')];
    while (all.at(-1)?.pageInfo.hasNextPage) {
      all.push(await read(`(first: 100, after: "${all.at(-1)?.pageInfo.endCursor}")`));
    }
    const cursors = all.flatMap(({ edges }) => edges.map(({ cursor }) => cursor));
    const fromEnd = await read('(last: 100)');
    if (all.length === 1) expect([fromEnd]).toEqual(all);
    expect(fromEnd.edges.map(({ cursor }) => cursor)).toEqual(cursors.slice(-100));
    const last = await read('(last: 1)');
    expect(last.edges.map(({ cursor }) => cursor)).toEqual(cursors.slice(-1));
    expect(last.edges.map(({ node }) => node)).toEqual(last.nodes);
    expect(last.pageInfo).toEqual({
      hasNextPage: false,
      hasPreviousPage: cursors.length > 1,
      startCursor: cursors.at(-1),
      endCursor: cursors.at(-1),
    });
    const before = await read(`(last: 100, before: "${cursors.at(-1)}")`);
    expect(before.edges.map(({ cursor }) => cursor)).toEqual(cursors.slice(0, -1).slice(-100));
    expect(before.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: cursors.length > 101 });
    const one = await read(`(last: 1, before: "${cursors.at(-1)}")`);
    expect(one.edges.map(({ cursor }) => cursor)).toEqual(cursors.slice(0, -1).slice(-1));
    expect(one.pageInfo.hasPreviousPage).toBe(cursors.length > 2);
    expect(await read('(last: 0)')).toMatchObject({ nodes: [], pageInfo: { startCursor: null, hasNextPage: false } });
  });

  test('is paged from one end at a time', async () => {
    const [cursor] = listIn((await everyone(query(name, '(first: 1)', PAGE))).data).edges.map((edge) => edge.cursor);
    for (const [args, argument] of [
      ['first: 1, last: 1', 'last'],
      ['first: 101, last: 1', 'last'],
      [`last: 1, after: "${cursor}"`, 'after'],
      [`before: "${cursor}"`, 'before'],
      [`first: 1, before: "${cursor}"`, 'before'],
      [`first: 1, after: "${cursor}", before: "${cursor}"`, 'before'],
    ]) {
      const refused = await everyone(query(name, `(${args})`, PAGE));
      expect([args, codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual([
        args,
        'BAD_USER_INPUT',
        argument,
      ]);
    }
    const nothing = await everyone(query(name, '(first: 1, after: null, last: null, before: null)', PAGE));
    expect(nothing.errors).toEqual([]);
  });

  test('counts only when totalCount is asked for', async () => {
    const statements = async (selection: string) => {
      const before = server.statements.length;
      expect((await everyone(query(name, '', selection))).errors).toEqual([]);
      return server.statements.length - before;
    };
    await statements('nodes { __typename }');
    const without = await statements('nodes { __typename }');
    expect(await statements('nodes { __typename } totalCount')).toBe(without + 1);
  });

  test('takes 0 to 100 rows, and nothing else', async () => {
    for (const [first, expected] of [
      [0, []],
      [null, expect.anything()],
      [100, expect.anything()],
    ]) {
      const { data, errors } = await everyone(query(name, `(first: ${String(first)})`, PAGE));
      expect([first, errors]).toEqual([first, []]);
      expect(listIn(data).nodes).toEqual(expected);
    }
    for (const size of ['first', 'last']) {
      for (const rows of [-1, 101, 1000]) {
        for (const refused of [
          await everyone(query(name, `(${size}: ${rows})`, PAGE)),
          await everyone(`query ($n: Int) ${query(name, `(${size}: $n)`, PAGE)}`, { n: rows }),
          await everyone(`query ($n: Int = ${rows}) ${query(name, `(${size}: $n)`, PAGE)}`),
        ]) {
          expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', size]);
        }
      }
    }
  });

  test('takes only cursors that were made in it', async () => {
    const other = name.endsWith('runs') ? 'Query.agents' : 'Query.runs';
    const cursorOf = async (list: string, client: Client, at: GivenEverything) =>
      listIn((await client(query(list, '(first: 1)', PAGE, at))).data).edges[0]?.cursor;
    const foreign = OWN_LISTS.includes(name) ? [] : [await cursorOf(name, globex.owner, globex)];
    const forged = Buffer.from(JSON.stringify([acme.id, 'runs desc', 1])).toString('base64url');
    for (const cursor of [...foreign, await cursorOf(other, everyone, acme), '', 'swordfish', forged]) {
      for (const [argument, args] of [
        ['after', `(after: "${cursor}")`],
        ['before', `(last: 5, before: "${cursor}")`],
      ] as const) {
        const refused = await everyone(query(name, args, PAGE));
        expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual(['BAD_USER_INPUT', argument]);
        expect(refused.text).not.toContain('swordfish');
      }
    }
  });
});

test('twenty rows come unasked', async () => {
  const { viewer, id, agentId, repositoryId, owner } = await givenOrganization(server);
  const db = server.database.organizationDb(id, byTest);
  const createdById = await personId(owner);
  for (let count = 0; count < 24; count += 1) {
    await db.run.create({ id: newId('run'), agentId, repositoryId, createdById });
  }
  const { data } = await viewer('{ runs { nodes { id } pageInfo { hasNextPage } totalCount } }');
  expect(data.runs.nodes).toHaveLength(20);
  expect(data.runs).toMatchObject({ pageInfo: { hasNextPage: true }, totalCount: 25 });
});
