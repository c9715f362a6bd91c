import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import type { OrganizationDb } from '../../src/data/organization/organization-db.js';
import { createContract } from '../../src/gateway/graphql/schema.js';
import { openSessions } from '../../src/identity/sessions.js';
import { ROLES } from '../../src/permissions/catalogue.js';
import { givenKey } from './api-key.js';
import { givenOrganization, givenTwoOrganizations, type GivenOrganization, personId } from './given.js';
import { type Answer, type Client, codeOf, startServer, type TestServer } from './server.js';
import { withWalls, type Walls } from './walls.js';
import { byTest } from './act.js';

type Variables = Record<string, unknown>;

/** One attempt of a member of globex to reach what is acme's, through one argument. */
export interface Attempt {
  readonly query: string;
  /** What acme's thing is called; `db` is acme's, to make it with. */
  readonly foreign: (acme: Target, db: OrganizationDb) => string | Promise<string>;
  /** What a thing of the same kind would be called that never was. */
  readonly unknown: () => string;
  /** The variables with the value in its place; `own` is the attacker's organization, `db` is for making what it needs. */
  readonly variables: (value: string, own: Attacked, db: OrganizationDb) => Variables | Promise<Variables>;
  /** For names that are the caller's to choose: the answer repeats the name, which is masked before comparing. */
  readonly names?: boolean;
  /** Why not even its own organization's OWNER is answered differently for what is there and what never was. */
  readonly uncontrolled?: string;
}

/** The attacker's organization, with things of its own that nothing else uses. */
export interface Attacked extends GivenOrganization {
  /** A VIEWER whom the attacker may manage, where they may manage anyone. */
  readonly memberId: string;
}

type List = 'repositories' | 'agents' | 'runs' | 'members' | 'organizations' | 'memberships' | 'sessions';

export interface Target extends GivenOrganization {
  readonly ownerId: string;
  /** Of its owner. */
  readonly sessionId: string;
  readonly cursors: Readonly<Record<List, string>>;
}

/** By the argument's path: `Mutation.updateRepository.input.id`. */
export type Attempts = Readonly<Record<string, Attempt>>;

/** An id of the right form that was never given to anything. */
export const never = (prefix: string) => (): string =>
  `${prefix}_${BigInt(`0x01${randomBytes(15).toString('hex')}`)
    .toString(32)
    .padStart(26, '0')}`;

/** A cursor as a list makes it: whose it is, the list with its order, and where in it. */
export const cursorOf = (scope: string, list: string, ...values: unknown[]): string =>
  Buffer.from(JSON.stringify([scope, list, ...values])).toString('base64url');

/** An attempt to go on from a cursor of another organization: in a field, by one of the two arguments. */
export const fromCursor = (
  argument: 'after' | 'before',
  field: string,
  list: string,
  ...values: unknown[]
): Attempt => ({
  query: `query ($cursor: String) { ${field}(${END[argument]}, ${argument}: $cursor) { nodes { __typename } } }`,
  foreign: ({ id }) => cursorOf(id, list, ...values),
  unknown: () => cursorOf('org_0', list, ...values),
  variables: (cursor) => ({ cursor }),
});

/** From which end a page with a cursor is counted. */
export const END = { after: 'first: 20', before: 'last: 20' } as const;

/** What two answers may differ in: what this response itself minted. */
export const mask = (answer: Answer, value: string): string =>
  answer.text
    .replaceAll(value, '<named>')
    .replaceAll(/"requestId":"[^"]*"/g, '"requestId":"<id>"')
    .replaceAll(/\b[a-z]{3}_[0-9a-v]{26}\b/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>');

/** Everything of an organization, read past every wall. */
async function checksum(server: TestServer, orgId: string): Promise<unknown> {
  const { pool } = server.database;
  const { rows: tables } = await pool.queryAsLoginRole(
    `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attname = 'org_id' order by 1`,
  );
  const parts = tables.map(
    ({ name }) => `select '${name}' as name, to_jsonb(t)::text as row from "${name}" t where org_id = $1`,
  );
  const { rows } = await pool.queryAsLoginRole(
    `select md5(string_agg(name || row, '' order by name, row)) as all from (${parts.join(' union all ')}
     union all select 'organization', (to_jsonb(o) - 'lock_version')::text from organization o where id = $1) everything`,
    [orgId],
  );
  return rows[0];
}

export async function asTarget(server: TestServer, acme: GivenOrganization): Promise<Target> {
  const db = server.database.organizationDb(acme.id, byTest);
  const onlyHere = await db.repository.create({
    id: newId('rep'),
    name: 'acme-only',
    gitUrl: 'https://git.acme.example/only',
  });
  await db.agent.create({ id: newId('agt'), name: 'AcmeOnly', repositoryId: onlyHere.id });
  const first = async (list: string, within = (fields: string) => fields): Promise<string> => {
    const { data, text } = await acme.owner(`{ ${within(`list: ${list} { edges { cursor } }`)} }`);
    const { edges } = (data?.list ?? data?.viewer?.list ?? { edges: [] }) as { edges: { cursor: string }[] };
    return edges[0]?.cursor ?? fail(text);
  };
  const ownerId = await personId(acme.owner);
  const session = { personId: ownerId, provider: null, boundOrgId: null, userAgent: `canary of ${acme.slug}` };
  return {
    ...acme,
    ownerId,
    sessionId: (await server.database.outside(openSessions).start(session)).sessionId,
    cursors: {
      repositories: await first('repositories'),
      agents: await first('agents'),
      runs: await first('runs'),
      members: await first('members'),
      organizations: await first('myOrganizations'),
      sessions: await first('mySessions'),
      memberships: await first('memberships', (fields) => `viewer { ${fields} }`),
    },
  };
}

function fail(reason: string): never {
  throw new Error(reason);
}

/**
 * Tries each attempt where it may succeed: acme's own OWNER MUST get another answer for what is there than for what never
 * was. An attempt that is misspelt, or that always fails for another reason, proves nothing of what is foreign.
 */
const describeControl = (attempts: Attempts): void =>
  describe('in its own organization, what is there', () => {
    let server: TestServer;
    beforeAll(async () => {
      server = await startServer();
    });
    afterAll(() => server.close());

    const controlled = Object.entries(attempts).filter(([, { uncontrolled }]) => !uncontrolled);
    test.each(controlled)('MUST be unlike what never existed: %s', async (_path, attempt: Attempt) => {
      const ask = async (value: string, at: Target) => {
        const db = server.database.organizationDb(at.id, byTest);
        const variables = await attempt.variables(value, { ...at, memberId: await givenSomeone(db) }, db);
        return mask(await at.owner(attempt.query, variables), value);
      };
      const [acme, twin] = [await givenTarget(server), await givenTarget(server)];
      const there = await ask(await attempt.foreign(acme, server.database.organizationDb(acme.id, byTest)), acme);
      const missing = await ask(attempt.unknown(), twin);
      if (attempt.names) expect(missing).not.toContain('"errors"');
      else expect(there.replaceAll(acme.slug, '<slug>')).not.toBe(missing.replaceAll(twin.slug, '<slug>'));
    });

    const { access, catalogue } = createContract();
    const asked = Object.entries(attempts).map(([path, attempt]) => {
      const [type = '', field = ''] = path.split('.');
      return { field: `${type}.${field}`, attempt, permission: access.get(type)?.get(field)?.permission ?? null };
    });
    const eachOnce = new Map(asked.map((each) => [each.field, each]));
    const ruled = [...eachOnce.values()].filter(({ permission }) => permission !== null);
    if (ruled.length === 0) return;
    test.each(ruled)('MUST be refused whoever lacks $permission, and nobody else: $field', async (each) => {
      const { attempt, permission } = each;
      const acme = await givenTarget(server);
      const db = server.database.organizationDb(acme.id, byTest);
      for (const role of ROLES) {
        const value = await attempt.foreign(acme, db);
        const variables = await attempt.variables(value, { ...acme, memberId: await givenSomeone(db) }, db);
        const client = { VIEWER: acme.viewer, DEVELOPER: acme.developer, ADMIN: acme.admin, OWNER: acme.owner }[role];
        const { errors } = await client(attempt.query, variables);
        const isRefused = errors[0]?.extensions['requiredPermission'] === permission;
        const holds = permission !== null && catalogue.effective(role, [], []).has(permission);
        expect([role, isRefused]).toEqual([role, !holds]);
      }
    });
  });

const givenTarget = async (server: TestServer): Promise<Target> => asTarget(server, await givenOrganization(server));

const LAYERS: Walls[] = ['both', 'wall 1 alone', 'wall 2 alone'];

/**
 * Tries each attempt in every role, with a key and as nobody, with both walls standing and with each alone. The answer MUST equal the
 * answer for what never existed, acme's rows MUST be unchanged, and no canary of acme may appear anywhere.
 */
export function describeIsolation(attempts: Attempts): void {
  describeControl(attempts);
  describe.each(LAYERS)('with %s, what is foreign', (walls) => {
    let server: TestServer;
    let acme: Target;
    let globex: GivenOrganization;
    let attackers: [string, Client][];
    /** How many lines of the log were looked through: each once, whenever it came. */
    let read = 0;

    beforeAll(async () => {
      server = await startServer({ wrap: withWalls(walls) });
      const given = await givenTwoOrganizations(server);
      acme = await asTarget(server, given.acme);
      globex = given.globex;
      const { data } = await globex.admin('{ viewer { permissions } }');
      const key = await givenKey(server, globex.owner, data.viewer.permissions as string[]);
      const nowhere = await server.as(`nobody@${globex.slug}.example`);
      attackers = [
        ['OWNER', globex.owner],
        ['ADMIN', globex.admin],
        ['DEVELOPER', globex.developer],
        ['VIEWER', globex.viewer],
        ['a key', key.client],
        ['nobody', nowhere],
      ];
    });
    afterAll(() => server.close());

    test.each(Object.entries(attempts))('MUST be like what never existed: %s', async (_path, attempt: Attempt) => {
      const tries = [];
      for (const [who, attacker] of attackers) {
        const foreign = await attempt.foreign(acme, server.database.organizationDb(acme.id, byTest));
        tries.push({ who, attacker, foreign });
      }
      const before = await checksum(server, acme.id);
      for (const { who, attacker, foreign } of tries) {
        const own = await givenAttackersOwn(attempt);
        const unknown = attempt.unknown();
        const db = server.database.organizationDb(globex.id, byTest);
        const tried = await attacker(attempt.query, await attempt.variables(foreign, own, db));
        const missed = await attacker(attempt.query, await attempt.variables(unknown, own, db));
        if (isTakenSlug(attempt, foreign, acme) && codeOf(tried) === 'CONFLICT') {
          expect(tried.errors[0]?.extensions).toMatchObject({ argument: 'input.slug' });
        } else {
          expect([who, tried.status, mask(tried, foreign)]).toEqual([who, missed.status, mask(missed, unknown)]);
        }
        expect(codeOf(tried)).not.toBe('INTERNAL_SERVER_ERROR');
        expect(tried.text + JSON.stringify([...tried.headers])).not.toContain(`canary of ${acme.slug}`);
      }
      expect(server.logs.slice(read).join('\n')).not.toContain(`canary of ${acme.slug}`);
      read = server.logs.length;
      expect(await checksum(server, acme.id)).toEqual(before);
    });

    /** Changes of the attacker's own things are made on things that are not used again. */
    const givenAttackersOwn = async (attempt: Attempt): Promise<Attacked> => {
      if (!attempt.query.startsWith('mutation')) return { ...globex, memberId: '' };
      const db = server.database.organizationDb(globex.id, byTest);
      const repository = await db.repository.create({
        id: newId('rep'),
        name: newId('rep'),
        gitUrl: 'https://git.example/o',
      });
      const agent = await db.agent.create({ id: newId('agt'), name: newId('agt'), repositoryId: repository.id });
      await db.repository.delete({ name: 'acme-only' });
      await db.agent.delete({ name: 'AcmeOnly' });
      await db.run.delete({ idempotencyKey: `key-${acme.slug}` });
      return { ...globex, repositoryId: repository.id, agentId: agent.id, memberId: await givenSomeone(db) };
    };
  });
}

/** A VIEWER, who never signed in. */
export const givenSomeone = async (db: OrganizationDb): Promise<string> => {
  const [userId, email] = [newId('usr'), `${newId('usr')}@someone.example`];
  return (await db.membership.create({ userId, email, name: 'Someone', role: 'VIEWER', status: 'ACTIVE' })).userId;
};

const isTakenSlug = (attempt: Attempt, foreign: string, acme: Target): boolean =>
  foreign === acme.slug && attempt.query.includes('OrganizationInput');
