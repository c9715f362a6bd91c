import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '../../src/data/id.js';
import type { OrganizationDb } from '../../src/data/organization-db.js';
import { givenKey } from './api-key.js';
import { givenTwoOrganizations, type GivenOrganization, personId } from './given.js';
import { type Answer, type Client, codeOf, startServer, type TestServer } from './server.js';
import { withWalls, type Walls } from './walls.js';

/** One attempt of a member of globex to reach what is acme's, through one argument. */
export interface Attempt {
  readonly query: string;
  /** What acme's thing is called; `db` is acme's, to make it with. */
  readonly foreign: (acme: Target, db: OrganizationDb) => string | Promise<string>;
  /** What a thing of the same kind would be called that never was. */
  readonly unknown: () => string;
  /** The variables with the value in its place; `own` is the attacker's organization. */
  readonly variables: (value: string, own: Attacked) => Record<string, unknown>;
  /** For names that are the caller's to choose: the answer repeats the name, which is masked before comparing. */
  readonly names?: boolean;
}

/** The attacker's organization, with things of its own that nothing else uses. */
export interface Attacked extends GivenOrganization {
  /** A VIEWER whom the attacker may manage, where they may manage anyone. */
  readonly memberId: string;
}

export interface Target extends GivenOrganization {
  readonly ownerId: string;
  /** Of its owner. */
  readonly sessionId: string;
  readonly cursors: Readonly<Record<'repositories' | 'agents' | 'runs' | 'members' | 'organizations', string>>;
}

/** By the argument's path: `Mutation.updateRepository.input.id`. */
export type Attempts = Readonly<Record<string, Attempt>>;

/** An id of the right form that was never given to anything. */
export const never = (prefix: string) => (): string =>
  `${prefix}_${BigInt(`0x01${randomBytes(15).toString('hex')}`)
    .toString(32)
    .padStart(26, '0')}`;

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

async function asTarget(server: TestServer, acme: GivenOrganization): Promise<Target> {
  const db = server.database.organizationDb(acme.id);
  const onlyHere = await db.repository.create({
    id: newId('rep'),
    name: 'acme-only',
    gitUrl: 'https://git.acme.example/only',
  });
  await db.agent.create({ id: newId('agt'), name: 'AcmeOnly', repositoryId: onlyHere.id });
  const first = async (query: string): Promise<string> => {
    const { data, text } = await acme.owner(`{ list: ${query} { edges { cursor } } }`);
    if (!data?.list?.edges[0]) throw new Error(text);
    return data.list.edges[0].cursor as string;
  };
  const ownerId = await personId(acme.owner);
  const session = { personId: ownerId, provider: null, boundOrgId: null, userAgent: `canary of ${acme.slug}` };
  return {
    ...acme,
    ownerId,
    sessionId: (await server.database.sessions.start(session)).sessionId,
    cursors: {
      repositories: await first('repositories'),
      agents: await first('agents'),
      runs: await first('runs'),
      members: await first('members'),
      organizations: await first('myOrganizations'),
    },
  };
}

const LAYERS: Walls[] = ['both', 'wall 1 alone', 'wall 2 alone'];

/**
 * Tries each attempt in every role, with a key and as nobody, with both walls standing and with each alone. The answer MUST equal the
 * answer for what never existed, acme's rows MUST be unchanged, and no canary of acme may appear anywhere.
 */
export const describeIsolation = (attempts: Attempts): void =>
  describe.each(LAYERS)('with %s, what is foreign', (walls) => {
    let server: TestServer;
    let acme: Target;
    let globex: GivenOrganization;
    let attackers: [string, Client][];

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
    }, 60_000);
    afterAll(() => server.close());

    test.each(Object.entries(attempts))('MUST be like what never existed: %s', async (_path, attempt: Attempt) => {
      for (const [, attacker] of attackers) {
        const own = await givenAttackersOwn(attempt);
        const foreign = await attempt.foreign(acme, server.database.organizationDb(acme.id));
        const before = await checksum(server, acme.id);
        const unknown = attempt.unknown();
        const tried = await attacker(attempt.query, attempt.variables(foreign, own));
        const missed = await attacker(attempt.query, attempt.variables(unknown, own));
        if (isTakenSlug(attempt, foreign, acme) && codeOf(tried) === 'CONFLICT') {
          expect(tried.errors[0]?.extensions).toMatchObject({ argument: 'input.slug' });
        } else {
          expect([tried.status, mask(tried, foreign)]).toEqual([missed.status, mask(missed, unknown)]);
        }
        expect(codeOf(tried)).not.toBe('INTERNAL_SERVER_ERROR');
        const seen = [tried.text, JSON.stringify([...tried.headers]), ...server.logs].join('\n');
        expect(seen).not.toContain(`canary of ${acme.slug}`);
        expect(await checksum(server, acme.id)).toEqual(before);
      }
    });

    /** Changes of the attacker's own things are made on things that are not used again. */
    const givenAttackersOwn = async (attempt: Attempt): Promise<Attacked> => {
      if (!attempt.query.startsWith('mutation')) return { ...globex, memberId: '' };
      const db = server.database.organizationDb(globex.id);
      const repository = await db.repository.create({
        id: newId('rep'),
        name: newId('rep'),
        gitUrl: 'https://git.example/o',
      });
      const agent = await db.agent.create({ id: newId('agt'), name: newId('agt'), repositoryId: repository.id });
      await db.repository.delete({ name: 'acme-only' });
      await db.agent.delete({ name: 'AcmeOnly' });
      await db.run.delete({ idempotencyKey: `key-${acme.slug}` });
      const member = await db.membership.create({
        userId: newId('usr'),
        email: `${newId('usr')}@globex.example`,
        name: 'Someone',
        role: 'VIEWER',
        status: 'ACTIVE',
      });
      return { ...globex, repositoryId: repository.id, agentId: agent.id, memberId: member.userId };
    };
  });

const isTakenSlug = (attempt: Attempt, foreign: string, acme: Target): boolean =>
  foreign === acme.slug && attempt.query.includes('OrganizationInput');
