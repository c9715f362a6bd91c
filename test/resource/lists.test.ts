import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  getNamedType,
  type GraphQLField,
  type GraphQLInputType,
  isEnumType,
  isInputObjectType,
  isObjectType,
} from 'graphql';
import { newId } from '../../src/data/id.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { givenKey, givenServiceAccount } from '../support/api-key.js';
import type { GivenEverything } from '../support/given-everything.js';
import { givenMember, personId, unique } from '../support/given.js';
import { cursorOf } from '../support/isolation.js';
import { givenReaderOfAll, listIn, listQuery, LISTS, type Page } from '../support/lists.js';
import { type Client, codeOf, useServer } from '../support/server.js';
import { byTest } from '../support/act.js';

const server = useServer();
const { schema } = createContract();

/** Lists that offer less than others, and why. */
const WITHOUT: Record<string, string> = {
  'Query.accounts filter':
    'one or two of whoever administers some; whoever runs the deployment has few enough to page through',
  'Query.mySessions orderBy': 'a few, the newest first: one looks for what one does not know',
  'Query.mySessions filter': 'the same',
  'Query.notifications filter': 'one asks for those that are unread',
  'Query.settingsVersions filter': 'they are numbered, and read from the newest; a path is looked for in the record',
  'Query.supportAccessGrants filter': 'a few, the latest first; who granted what stands in the record',
  'Query.supportAccessLog filter': 'a few, the latest first; whom somebody acted as is looked for in the record',
  'Viewer.memberships orderBy': 'told by organization; `myOrganizations` has orders',
  'Viewer.memberships filter': 'the same: `myOrganizations` is searched',
  'AgentRepository.runs filter': '`runs` filters by `repositoryId`; no index finds the rest for many parents at once',
  'Agent.runs filter': '`runs` filters by `agentId`; no index finds the rest for many parents at once',
};

interface Offered {
  readonly name: string;
  readonly orders: readonly string[];
  readonly isSearched: boolean;
}

const argument = (field: GraphQLField<unknown, unknown>, name: string): GraphQLInputType | undefined =>
  field.args.find((each) => each.name === name)?.type;

function offeredBy(name: string): Offered {
  const [typeName = '', fieldName = ''] = name.split('.');
  const type = schema.getType(typeName);
  const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
  if (!field) throw new Error(name);
  const [orderBy, filter] = ['orderBy', 'filter'].map((each) => argument(field, each));
  const orders = isInputObjectType(orderBy) ? getNamedType(orderBy.getFields()['field']?.type) : undefined;
  return {
    name,
    orders: isEnumType(orders) ? orders.getValues().map((value) => value.name) : [],
    isSearched: isInputObjectType(filter) && 'search' in filter.getFields(),
  };
}

const OFFERED = Object.keys(LISTS).map(offeredBy);
const ORDERED = OFFERED.filter(({ orders }) => orders.length > 0);
const SEARCHED = OFFERED.filter(({ isSearched }) => isSearched);

let acme: GivenEverything;
let globex: GivenEverything;
let everyone: Client;

/** The same on every run: a list that fails once fails again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Everything that lists show, many times over: names that are alike, instants that are, and what was never set. */
async function fill(organization: GivenEverything, rows: number): Promise<void> {
  const db = server.database.organizationDb(organization.id, byTest);
  const random = randomFrom(7);
  const at = () => new Date(Date.UTC(2026, 5, 1 + random(4)));
  const sometimes = () => (random(3) === 0 ? null : at());
  const letters = () => Array.from({ length: 3 }, () => 'abcDEF'.charAt(random(6))).join('');
  const ownerId = await personId(organization.owner);
  const repositories = [organization.repositoryId];
  for (let index = 0; index < rows; index += 1) {
    const name = `${letters()} ${index}`;
    if (index % 5 === 0) {
      const id = newId('rep');
      repositories.push(id);
      const git = { gitUrl: 'https://git.example/r', lastSyncedAt: sometimes(), updatedAt: at() };
      await db.repository.create({ id, name, ...git });
    }
    const repositoryId = repositories[random(repositories.length)] as string;
    const agentId = newId('agt');
    await db.agent.create({ id: agentId, name, repositoryId, updatedAt: at() });
    await db.run.create({
      id: newId('run'),
      agentId: organization.agentId,
      repositoryId,
      createdById: ownerId,
      createdAt: at(),
    });
    const someone = { email: `${letters()}-${index}@people.example`.toLowerCase(), name: `Ann ${random(4)}` };
    const standing = {
      role: random(2) === 0 ? ('VIEWER' as const) : ('ADMIN' as const),
      status: random(2) === 0 ? ('ACTIVE' as const) : ('SUSPENDED' as const),
    };
    await db.membership.create({
      userId: newId('usr'),
      ...someone,
      ...standing,
      joinedAt: sometimes(),
      createdAt: at(),
    });
    const machine = {
      userId: newId('svc'),
      email: newId('svc'),
      name: `Machine ${random(4)}`,
      kind: 'SERVICE_ACCOUNT',
    } as const;
    await db.membership.create({ ...machine, role: 'VIEWER', status: 'ACTIVE', joinedAt: at() });
    const key = {
      id: newId('key'),
      name: `key ${random(4)}`,
      ownerId,
      createdById: ownerId,
      permissions: ['run:read'],
    };
    await db.apiKey.create({
      ...key,
      secretHash: newId('key'),
      lastFour: 'abcd',
      expiresAt: at(),
      lastUsedAt: sometimes(),
    });
    await db.invitation.create({
      id: newId('inv'),
      email: `${letters()}-${index}@new.example`.toLowerCase(),
      expiresAt: at(),
    });
    const asking = {
      personId: newId('usr'),
      email: `${letters()}-${index}@new.example`.toLowerCase(),
      name: letters(),
      domain: 'new.example',
    };
    await db.joinRequest.create({ id: newId('jrq'), ...asking, status: 'PENDING' });
    await db.organizationDomain.create({
      id: newId('dom'),
      name: `${index}-${letters()}.example`.toLowerCase(),
      challenge: 'x',
    });
    const provider = {
      kind: 'OIDC',
      name: `provider ${random(4)}`,
      issuer: `https://id.example/${index}`,
      clientId: 'x',
    } as const;
    await db.identityProvider.create({ id: newId('idp'), ...provider, defaultRole: 'VIEWER' });
    const token = { tokenHash: newId('scm'), tokenLastFour: '0000', createdBy: ownerId, tokenMadeBy: ownerId };
    await db.scimDirectory.create({ id: newId('scm'), name, defaultRole: 'VIEWER', ...token });
    const group = { directoryId: organization.scimDirectoryId, displayName: `group ${random(4)}` };
    await db.scimGroup.create({ id: newId('scg'), ...group });
  }
}

beforeAll(async () => {
  ({ acme, globex, everyone } = await givenReaderOfAll(server));
  await fill(acme, 45);
  await givenKey(server, acme.owner, ['run:read'], {
    serviceAccountId: await givenServiceAccount(acme.owner, 'VIEWER'),
  });
});

const PAGE = 'edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount';

async function read(name: string, args: string, selection = PAGE, client = everyone): Promise<Page> {
  const { data, errors } = await client(listQuery(name, args && `(${args})`, selection, acme));
  expect([name, args, errors]).toEqual([name, args, []]);
  return listIn(data);
}

const cursorsOf = ({ edges }: Page): string[] => edges.map(({ cursor }) => cursor);

/** A whole list, page by page from one end, as it is from its start. */
async function readAll(name: string, more: string, size: number, from: 'first' | 'last'): Promise<string[]> {
  const all: string[][] = [];
  let place = '';
  for (let page = 0; page < 300; page += 1) {
    const { edges, pageInfo } = await read(name, `${from}: ${size} ${place} ${more}`);
    all.push(edges.map(({ cursor }) => cursor));
    const [isMore, cursor] =
      from === 'first'
        ? [pageInfo.hasNextPage, `after: "${pageInfo.endCursor}"`]
        : [pageInfo.hasPreviousPage, `before: "${pageInfo.startCursor}"`];
    expect(pageInfo[from === 'first' ? 'hasPreviousPage' : 'hasNextPage']).toBe(place !== '');
    if (!isMore) return (from === 'first' ? all : all.toReversed()).flat();
    place = cursor;
  }
  throw new Error('the list does not end');
}

test('every list has orders and filters by one convention, or stands here with the reason', () => {
  const missing: string[] = [];
  for (const name of Object.keys(LISTS)) {
    const [typeName = '', fieldName = ''] = name.split('.');
    const type = schema.getType(typeName);
    const field = isObjectType(type) ? type.getFields()[fieldName] : undefined;
    const noun = getNamedType(field?.type)?.name.replace(/Connection$/, '');
    for (const [each, called] of [
      ['orderBy', `${noun}OrderBy`],
      ['filter', `${noun}Filter`],
    ] as const) {
      const given = field && argument(field, each);
      if (!given) missing.push(`${name} ${each}`);
      else expect([name, each, String(given)]).toEqual([name, each, called]);
      if (!isInputObjectType(given) || each !== 'orderBy') continue;
      const types = Object.values(given.getFields()).map((input) => `${input.name}: ${String(input.type)}`);
      expect(types).toEqual([`field: ${noun}OrderField!`, 'direction: OrderDirection!']);
    }
  }
  expect(missing.sort()).toEqual(Object.keys(WITHOUT).sort());
  expect(ORDERED.length).toBeGreaterThan(18);
  expect(SEARCHED.length).toBeGreaterThan(15);
});

describe.each(ORDERED)('$name', ({ name, orders, isSearched }) => {
  test('is the same list by pages of any size, from either end, in every order it offers', async () => {
    const random = randomFrom(name.length * 31);
    for (const field of orders) {
      const whole = async (direction: string, more = '') => {
        const order = `orderBy: { field: ${field}, direction: ${direction} } ${more}`;
        const page = await read(name, `first: 100 ${order}`);
        // Of all organizations there may be more than a page: other tests make theirs beside.
        const all = page.totalCount > 100 ? await readAll(name, order, 100, 'first') : cursorsOf(page);
        return { order, page, all };
      };
      for (const direction of ['ASC', 'DESC']) {
        const { order, page, all } = await whole(
          direction,
          isSearched && random(2) === 0 ? 'filter: { search: "a" }' : '',
        );
        expect(new Set(all).size).toBe(page.totalCount);
        const size = 1 + random(Math.max(page.totalCount, 1) + 5);
        const smaller = Math.min(Math.max(size, Math.ceil(page.totalCount / 12)), 100);
        expect([order, smaller, await readAll(name, order, smaller, 'first')]).toEqual([order, smaller, all]);
        expect([order, smaller, await readAll(name, order, smaller, 'last')]).toEqual([order, smaller, all]);
      }
      // The other direction is the same list the other way round: those that are alike, and those without, too.
      const places = async (direction: string) =>
        (await whole(direction)).all.map((cursor) => JSON.stringify(parse(cursor).slice(2)));
      expect(await places('DESC')).toEqual((await places('ASC')).toReversed());
    }
  });

  test('takes cursors of the order they were made for, and of no other', async () => {
    const offered = orders.flatMap((field) =>
      ['ASC', 'DESC'].map((direction) => `orderBy: { field: ${field}, direction: ${direction} }`),
    );
    const made = new Map<string, string>();
    for (const order of offered) {
      const [cursor] = cursorsOf(await read(name, `first: 1 ${order}`));
      if (cursor === undefined) throw new Error(`${name} is empty: give it one in test/domains/<noun>/given.ts`);
      made.set(order, cursor);
    }
    for (const order of offered) {
      const [scope, list, ...at] = parse(made.get(order) as string) as [string, string, ...unknown[]];
      const forged = [
        cursorOf('org_0', list, ...at),
        cursorOf(globex.id, list, ...at),
        cursorOf(scope, list, ...at, 'x'),
        cursorOf(scope, list, ...at.slice(1)),
        cursorOf(scope, list, ...at.map((value) => (typeof value === 'number' ? '7' : 7))),
        cursorOf(scope, list, ...at.map(() => ({ in: ['x'] }))),
        cursorOf(scope, list, ...at.map(() => 'x\0')),
        cursorOf(scope, list, ...at.slice(0, -1), null),
        ...offered.filter((each) => each !== order).map((each) => made.get(each) as string),
      ];
      if (typeof at[0] === 'number') for (const value of [1.5, 2 ** 31]) forged.push(cursorOf(scope, list, value));
      if (/^2026-.*Z$/.test(String(at[0]))) {
        for (const value of ['x', '2026-13-01T00:00:00.000Z', '+012026-01-01T00:00:00.000Z', 'infinity', '']) {
          forged.push(cursorOf(scope, list, value, ...at.slice(1)));
        }
      }
      for (const cursor of forged) {
        for (const [given, page] of [
          ['after', `first: 5, after: "${cursor}"`],
          ['before', `last: 5, before: "${cursor}"`],
        ]) {
          const refused = await everyone(listQuery(name, `(${page}, ${order})`, PAGE, acme));
          const why = [codeOf(refused), refused.errors[0]?.extensions['argument'], refused.errors[0]?.message];
          const [code, at] = ['BAD_USER_INPUT', given];
          expect([parse(cursor), ...why]).toEqual([
            parse(cursor),
            code,
            at,
            expect.stringContaining('not made in this list'),
          ]);
        }
      }
      // One that points where there is nothing goes on from there, among the same rows.
      const all = cursorsOf(await read(name, `first: 100 ${order}`));
      const last = at.at(-1);
      const beside = typeof last === 'number' ? last + 1_000_000 : `${String(last)}!`;
      const nowhere = cursorOf(scope, list, ...at.slice(0, -1), beside);
      expect(all).toEqual(expect.arrayContaining(cursorsOf(await read(name, `after: "${nowhere}" ${order}`))));
    }
  });
});

const parse = (cursor: string) => JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];

describe('an order', () => {
  const nodes = async (name: string, args: string, selection: string) =>
    (await read(name, `first: 100 ${args}`, `nodes { ${selection} }`)).nodes;

  test.each([
    ['Query.repositories', 'UPDATED_AT', 'updatedAt id'],
    ['Query.repositories', 'CREATED_AT', 'createdAt id'],
    ['Query.repositories', 'LAST_SYNCED_AT', 'lastSyncedAt id'],
    ['Query.agents', 'UPDATED_AT', 'updatedAt id'],
    ['AgentRepository.agents', 'UPDATED_AT', 'updatedAt id'],
    ['Query.apiKeys', 'LAST_USED_AT', 'lastUsedAt id'],
    ['Query.apiKeys', 'EXPIRES_AT', 'expiresAt id'],
    ['Query.invitations', 'EXPIRES_AT', 'expiresAt id'],
    ['Query.runs', 'CREATED_AT', 'createdAt id'],
    ['Query.members', 'JOINED_AT', 'joinedAt user { id }'],
    ['Query.members', 'CREATED_AT', 'createdAt user { id }'],
  ])('of %s by %s is what its rows say, and those without one are its greatest', async (name, field, selection) => {
    for (const direction of ['ASC', 'DESC']) {
      const rows = await nodes(name, `orderBy: { field: ${field}, direction: ${direction} }`, selection);
      const keys = rows.map((row) => {
        const [value, id] = Object.values(row) as [string | null, string | { id: string }];
        return `${value ?? '9999'} ${typeof id === 'string' ? id : id.id}`;
      });
      expect(keys.length).toBeGreaterThan(5);
      expect(keys).toEqual(direction === 'ASC' ? keys.toSorted(byCode) : keys.toSorted(byCode).toReversed());
    }
  });

  test('of runs may be said in either way, and orderBy goes before the older one', async () => {
    const ids = async (args: string) => (await nodes('Query.runs', args, 'id')).map(({ id }) => id);
    const oldest = await ids('orderBy: { field: CREATED_AT, direction: ASC }');
    expect(await ids('order: CREATED_AT_ASC')).toEqual(oldest);
    expect(await ids('order: CREATED_AT_DESC, orderBy: { field: CREATED_AT, direction: ASC }')).toEqual(oldest);
    expect(await ids('')).toEqual(oldest.toReversed());
    expect(await ids('orderBy: null, order: null')).toEqual(oldest.toReversed());
  });

  const byCode = (a: string, b: string) => (a < b ? -1 : Number(a > b));
});

describe('a search', () => {
  test.each(SEARCHED)(
    'of $name is one statement, finds nothing of another organization, and takes 1 to 100 characters',
    async ({ name }) => {
      const statements = async (args: string) => {
        const before = server.statements.length;
        await read(name, args, 'nodes { __typename }');
        return server.statements.length - before;
      };
      const plain = await statements('first: 50');
      expect(await statements('first: 50, filter: { search: "a" }')).toBe(plain);
      expect(await statements('first: 50, filter: { search: null }')).toBe(plain);
      expect((await read(name, 'filter: { search: "zzz-nothing" }')).totalCount).toBe(0);
      for (const [text, reason] of [
        ['', 'Must not be blank.'],
        ['   ', 'Must not be blank.'],
        ['x'.repeat(101), 'At most 100 characters.'],
      ]) {
        const refused = await everyone(listQuery(name, `(filter: { search: "${text}" })`, PAGE, acme));
        expect([codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual([
          'BAD_USER_INPUT',
          'filter.search',
        ]);
        expect(refused.errors[0]?.message).toBe(reason);
      }
      expect((await read(name, `filter: { search: "${'x'.repeat(100)}" }`)).totalCount).toBe(0);
    },
  );

  const names = async (search: string, field = 'agents') => {
    const { data, errors } = await acme.viewer(
      `query ($search: String) { ${field}(first: 100, filter: { search: $search }) { totalCount nodes { name } } }`,
      { search },
    );
    expect(errors).toEqual([]);
    expect(data[field].totalCount).toBe(data[field].nodes.length);
    return (data[field].nodes as { name: string }[]).map(({ name }) => name).sort();
  };

  test('takes every character as itself, in upper or lower case', async () => {
    const db = server.database.organizationDb(acme.id, byTest);
    const made = ['100% sure', 'under_score', String.raw`back\slash`, 'Plain Search', `quo'te "x"`, '(a|b)*.?'];
    for (const name of made) {
      await db.agent.create({ id: newId('agt'), name, repositoryId: acme.repositoryId });
    }
    expect(await names('0% s')).toEqual(['100% sure']);
    expect(await names('r_s')).toEqual(['under_score']);
    expect(await names(String.raw`k\s`)).toEqual([String.raw`back\slash`]);
    expect(await names('LAIN sea')).toEqual(['Plain Search']);
    expect(await names('  plain search ')).toEqual(['Plain Search']);
    expect(await names(`o'te "`)).toEqual([`quo'te "x"`]);
    expect(await names('(a|b)*.?')).toEqual(['(a|b)*.?']);
    for (const nothing of ['1_0%', '%%', '__', String.raw`\%`, 'a|b)+', '.*', 'plain%search']) {
      expect([nothing, await names(nothing)]).toEqual([nothing, []]);
    }
  });

  test('of members looks at name and e-mail, beside the other filters', async () => {
    const db = server.database.organizationDb(acme.id, byTest);
    const of = async (filter: string) => {
      const { data, errors } = await acme.viewer(
        `{ members(first: 100, ${filter}) { totalCount nodes { user { email } } } }`,
      );
      expect(errors).toEqual([]);
      const emails = (data.members.nodes as { user: { email: string } }[]).map(({ user }) => user.email);
      expect(data.members.totalCount).toBe(emails.length);
      return emails;
    };
    const person = { role: 'VIEWER', status: 'ACTIVE', joinedAt: new Date() } as const;
    await db.membership.create({ userId: newId('usr'), name: 'Wanda Quux', email: 'w@one.example', ...person });
    await db.membership.create({
      userId: newId('usr'),
      name: 'Other',
      email: 'quux@two.example',
      ...person,
      role: 'ADMIN',
    });
    expect(await of('filter: { search: "QUUX" }')).toEqual(['quux@two.example', 'w@one.example']);
    expect(await of('filter: { search: "quux", role: [ADMIN] }')).toEqual(['quux@two.example']);
    expect(await of('filter: { search: "quux", role: [] }')).toEqual([]);
    expect(await of('filter: { search: "quux", status: [SUSPENDED, INVITED] }')).toEqual([]);
    expect(await of('status: ACTIVE, filter: { search: "quux", status: [ACTIVE, SUSPENDED] }')).toHaveLength(2);
    expect(await of('status: SUSPENDED, filter: { search: "quux", status: [ACTIVE] }')).toEqual([]);
  });

  test('finds nothing of another organization, though the text is there', async () => {
    const name = unique('only-globex');
    const db = server.database.organizationDb(globex.id, byTest);
    await db.repository.create({ id: newId('rep'), name, gitUrl: 'https://git.example/r' });
    const person = {
      userId: newId('usr'),
      email: `${name}@globex.example`,
      name,
      role: 'VIEWER',
      status: 'ACTIVE',
    } as const;
    await db.membership.create({ ...person, joinedAt: new Date() });
    for (const field of ['repositories', 'members', 'agents', 'serviceAccounts', 'invitations']) {
      const ask = (search: string) =>
        acme.owner(
          `query ($search: String) { ${field}(filter: { search: $search }) { totalCount nodes { __typename } } }`,
          { search },
        );
      expect((await ask(name)).text.replaceAll(/"requestId":"[^"]*"/g, '')).toBe((await ask(unique('nowhere'))).text);
    }
    expect(
      (await globex.viewer(`{ repositories(filter: { search: "${name}" }) { totalCount } }`)).data.repositories
        .totalCount,
    ).toBe(1);
  });

  test('needs what the list needs', async () => {
    for (const field of ['domains', 'invitations', 'joinRequests', 'identityProviders', 'scimDirectories']) {
      const order = 'orderBy: { field: CREATED_AT, direction: ASC }';
      expect(codeOf(await acme.viewer(`{ ${field}(${order}, filter: { search: "a" }) { totalCount } }`))).toBe(
        'FORBIDDEN',
      );
    }
    const without = await givenMember(server, acme, 'ADMIN', { withheld: ['member:read'] });
    expect(codeOf(await without('{ members(filter: { search: "a" }) { totalCount } }'))).toBe('FORBIDDEN');
    const mine = await acme.viewer('{ apiKeys(first: 100, filter: { search: "key" }) { totalCount } }');
    expect(mine.data.apiKeys.totalCount).toBe(0);
  });
});

describe('nested lists', () => {
  const NESTED = (args: string) =>
    `{ repositories(first: 11) { nodes { id agents(${args}) { totalCount edges { cursor } nodes { name repository { id } } } } } }`;
  interface Parent {
    id: string;
    agents: { totalCount: number; edges: { cursor: string }[]; nodes: { name: string; repository: { id: string } }[] };
  }
  const ask = async (args: string) => {
    const before = server.statements.length;
    const { data, errors } = await acme.viewer(NESTED(args));
    expect([args, errors]).toEqual([args, []]);
    return { parents: data.repositories.nodes as Parent[], statements: server.statements.length - before };
  };

  test('are ordered, filtered, searched and counted for all parents in as many statements as plain ones', async () => {
    const plain = await ask('first: 20');
    for (const field of ['NAME', 'CREATED_AT', 'UPDATED_AT']) {
      for (const direction of ['ASC', 'DESC']) {
        const order = `orderBy: { field: ${field}, direction: ${direction} }, filter: { search: "d" }`;
        const { parents: all, statements } = await ask(`first: 50, ${order}`);
        expect(statements).toBe(plain.statements);
        expect(all.some(({ agents }) => agents.totalCount > 2)).toBe(true);
        const { parents: starts } = await ask(`first: 2, ${order}`);
        const { parents: ends } = await ask(`last: 2, ${order}`);
        for (const [index, { id, agents }] of all.entries()) {
          expect(agents.totalCount).toBe(agents.nodes.length);
          expect(agents.nodes.every(({ name, repository }) => /d/i.test(name) && repository.id === id)).toBe(true);
          expect(starts[index]?.agents.nodes).toEqual(agents.nodes.slice(0, 2));
          expect(ends[index]?.agents.nodes).toEqual(agents.nodes.slice(-2));
          const flat = await acme.viewer(`{ agents(first: 100, filter: { repositoryId: "${id}", search: "d" },
            orderBy: { field: ${field}, direction: ${direction} }) { nodes { name repository { id } } } }`);
          expect(flat.data.agents.nodes).toEqual(agents.nodes);
        }
      }
    }
  });

  test('of which a filter names one parent are empty for the others, and count as much', async () => {
    const [first] = (await ask('first: 50')).parents;
    const { parents } = await ask(`first: 50, filter: { repositoryId: "${first?.id}" }`);
    for (const { id, agents } of parents) {
      expect(agents.totalCount).toBe(agents.nodes.length);
      expect(agents.nodes.length).toBe(id === first?.id ? first.agents.totalCount : 0);
    }
  });

  test('go on from a cursor, either way', async () => {
    const order = 'orderBy: { field: UPDATED_AT, direction: DESC }';
    const { parents } = await ask(`first: 50, ${order}`);
    const parent = parents.find(({ agents }) => agents.edges.length > 3) as Parent;
    const cursors = parent.agents.edges.map(({ cursor }) => cursor);
    const one = async (args: string) =>
      (await ask(`${args}, ${order}`)).parents
        .find(({ id }) => id === parent.id)
        ?.agents.edges.map(({ cursor }) => cursor);
    expect(await one(`first: 50, after: "${cursors[1]}"`)).toEqual(cursors.slice(2));
    expect(await one(`last: 50, before: "${cursors[2]}"`)).toEqual(cursors.slice(0, 2));
    expect(await one(`last: 1, before: "${cursors[2]}"`)).toEqual(cursors.slice(1, 2));
  });

  test('of directories are read for all of them at once, too', async () => {
    const statements = async (first: number) => {
      const before = server.statements.length;
      const text = `{ scimDirectories(first: ${first}) { nodes { groups(first: 3) { totalCount nodes { displayName } } } } }`;
      expect((await acme.owner(text)).errors).toEqual([]);
      return server.statements.length - before;
    };
    expect(await statements(40)).toBe(await statements(1));
  });
});

describe.each(['first', 'last'] as const)('while others add and delete, paging by `%s`', (from) => {
  test.each(['NAME', 'CREATED_AT', 'UPDATED_AT'])('by %s shows each row that stayed once', async (field) => {
    const db = server.database.organizationDb(acme.id, byTest);
    const word = unique('moving');
    const add = async (index: number) => {
      const updatedAt = new Date(Date.UTC(2026, 1, 1 + (index % 5)));
      const row = { id: newId('rep'), name: `${word} ${(index * 37) % 101} ${index}`, gitUrl: 'https://git.example/r' };
      return (await db.repository.create({ ...row, updatedAt })).id;
    };
    const stayed: string[] = [];
    for (let index = 0; index < 20; index += 1) stayed.push(await add(index));
    const list = `filter: { search: "${word}" }, orderBy: { field: ${field}, direction: DESC }`;
    const seen: string[] = [];
    let place = '';
    for (let page = 0; ; page += 1) {
      const { nodes, pageInfo } = await read(
        'Query.repositories',
        `${from}: 3 ${place} ${list}`,
        `nodes { id } ${PAGE}`,
      );
      const ids = nodes.map(({ id }) => id as string);
      seen.push(...ids);
      if (!(from === 'first' ? pageInfo.hasNextPage : pageInfo.hasPreviousPage)) break;
      place = from === 'first' ? `after: "${pageInfo.endCursor}"` : `before: "${pageInfo.startCursor}"`;
      await Promise.all([add(100 + page), add(200 + page)]);
      // The very row that the next page begins from.
      const gone = (from === 'first' ? ids.at(-1) : ids[0]) as string;
      if (page % 2 === 0) await db.repository.delete({ id: gone });
      expect(page).toBeLessThan(50);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(stayed.filter((id) => !seen.includes(id))).toEqual([]);
    await db.repository.delete({ name: { gte: word, lt: `${word}~` } });
  });
});
