import { describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import type { Database } from '../../../src/data/database.js';
import { newId } from '../../../src/data/id.js';
import type { RequestDb } from '../../../src/data/organization/organization-db.js';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import { givenAdministrator, givenMember, givenOrganization, personId } from '../../support/given.js';
import { givenGrant, givenImpersonation, START } from '../../support/impersonation.js';
import { mailTo } from '../../support/mail.js';
import { raw } from '../../support/raw.js';
import { type Answer, codeOf, startServer, useServer } from '../../support/server.js';
import { askForToken, givenBrowser, ownOrigin } from '../../support/sessions.js';

const server = useServer();
const sql = async (text: string, values: unknown[] = []) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows;
const minute = 60_000;

const WHO = `{ viewer { user { id name } role permissions systemRole impersonation {
  id scope reason expiresAt endedAt by { id name email } onBehalfOf { id } } } }`;
const END = 'mutation ($id: ID!) { endImpersonation(id: $id) { id endedAt } }';
const LOG = `{ supportAccessLog { totalCount nodes { id reason scope startedAt endedAt by { id name email } onBehalfOf { id } } } }`;
const ACCESS = `mutation ($access: SupportAccess!) {
  updateOrganization(input: { settings: { support: { access: $access } } }) { settings { support { access } } } }`;
const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];

async function startAs(userId: string, organizationId: string, more: object = {}) {
  const sam = await givenAdministrator(server);
  return sam(START, { input: { organizationId, userId, reason: 'ticket 42: runs stay queued', ...more } });
}

describe('Who runs the deployment acts as a member', () => {
  test('by a token for one organization, which says who acts, and ends after half an hour', async () => {
    const acme = await givenOrganization(server);
    const { samId, sam, userId, token, id } = await givenImpersonation(server, acme, { as: 'developer' });
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({ sub: userId, org: acme.id, act: { sub: samId }, sid: id, aud: 'orgate' });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(1800);
    const { data } = await server.withToken(token)(WHO);
    expect(data.viewer).toMatchObject({
      user: { id: userId, name: `DEVELOPER of ${acme.slug}` },
      role: 'DEVELOPER',
      systemRole: 'USER',
      permissions: (await acme.developer(WHO)).data.viewer.permissions,
      impersonation: {
        id,
        scope: 'READ',
        reason: 'ticket 42: runs stay queued',
        endedAt: null,
        by: { id: samId, email: sam.email },
        onBehalfOf: { id: userId },
      },
    });
    expect((await acme.developer(WHO)).data.viewer.impersonation).toBeNull();
  });

  test('for as many minutes as were asked for, an hour at the most', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.viewer);
    const { data } = await startAs(userId, acme.slug, { minutes: 60 });
    const { impersonation, token } = data.startImpersonation;
    expect(Date.parse(impersonation.expiresAt) - Date.parse(impersonation.startedAt)).toBe(60 * minute);
    expect((decodeJwt(token).exp ?? 0) - (decodeJwt(token).iat ?? 0)).toBe(3600);
    for (const minutes of [0, 61, -1]) {
      expect(argumentOf(await startAs(userId, acme.id, { minutes }))).toBe('input.minutes');
    }
  });

  test('and sees what the member sees, as their rights are now', async () => {
    const acme = await givenOrganization(server);
    const { acting, userId } = await givenImpersonation(server, acme, { as: 'viewer' });
    const RUNS = '{ runs { nodes { id } } }';
    expect((await acting(RUNS)).data.runs.nodes).toEqual([{ id: acme.runId }]);
    expect(codeOf(await acting('{ auditLog { nodes { id } } }'))).toBe('FORBIDDEN');
    await sql(`update membership set withheld = '{run:read}' where org_id = $1 and user_id = $2`, [acme.id, userId]);
    expect(codeOf(await acting(RUNS))).toBe('FORBIDDEN');
    await sql(`update membership set withheld = '{}', role = 'ADMIN' where org_id = $1 and user_id = $2`, [
      acme.id,
      userId,
    ]);
    expect((await acting('{ auditLog { nodes { id } } }')).errors).toEqual([]);
  });

  test('who joined just now, by a clock that is ahead', async () => {
    const acme = await givenOrganization(server);
    await sql(`update membership set joined_at = now() + interval '20 seconds' where org_id = $1`, [acme.id]);
    const { acting } = await givenImpersonation(server, acme, { as: 'viewer' });
    expect((await acting(WHO)).status).toBe(200);
  });

  test('with a reason that says something', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.viewer);
    for (const reason of ['', 'a ticket', '         ticket         ', 'x'.repeat(501)]) {
      const answer = await startAs(userId, acme.id, { reason });
      expect([reason, codeOf(answer), argumentOf(answer)]).toEqual([reason, 'BAD_USER_INPUT', 'input.reason']);
    }
  });

  test('who is ACTIVE there: anyone else is NOT_FOUND, alike', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const { client } = await givenKey(server, acme.owner, ['run:read']);
    const suspended = await givenMember(server, acme, 'VIEWER', { status: 'SUSPENDED' });
    const disabled = await givenMember(server, acme, 'VIEWER');
    await sql(`update person set status = 'DISABLED' where id = $1`, [await personId(disabled)]);
    const machine = await acme.owner(
      'mutation { createServiceAccount(input: { name: "Deployer", role: VIEWER }) { id } }',
    );
    const nobody = [
      await personId(globex.owner),
      await personId(suspended),
      (await sql('select user_id from membership where org_id = $1 and email = $2', [acme.id, disabled.email]))[0]
        ?.user_id as string,
      machine.data.createServiceAccount.id as string,
      'usr_nobody',
    ];
    for (const userId of nobody)
      expect([userId, codeOf(await startAs(userId, acme.id))]).toEqual([userId, 'NOT_FOUND']);
    const known = await personId(acme.viewer);
    expect(codeOf(await startAs(known, globex.id))).toBe('NOT_FOUND');
    expect(codeOf(await startAs(known, 'nowhere'))).toBe('NOT_FOUND');
    expect(client).toBeDefined();
  });

  test('who runs the deployment, too: FORBIDDEN, and what was begun before they did is over', async () => {
    const acme = await givenOrganization(server);
    const { acting, userId } = await givenImpersonation(server, acme, { as: 'viewer' });
    expect((await acting(WHO)).status).toBe(200);
    await sql(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [userId]);
    expect((await acting(WHO)).status).toBe(401);
    expect(codeOf(await startAs(userId, acme.id))).toBe('FORBIDDEN');
    const sam = await givenAdministrator(server);
    await server.database.organizationDb(acme.id, byTest).membership.create({
      userId: await personId(sam),
      email: sam.email,
      name: 'Sam',
      role: 'VIEWER',
      status: 'ACTIVE',
      joinedAt: new Date(),
    });
    const input = { organizationId: acme.id, userId: await personId(sam), reason: 'as somebody of my own' };
    expect(codeOf(await sam(START, { input }))).toBe('FORBIDDEN');
  });

  test('and nobody else does: no OWNER, no key, nobody who acts already', async () => {
    const acme = await givenOrganization(server);
    const input = { organizationId: acme.id, userId: await personId(acme.viewer), reason: 'ticket 42: runs' };
    const { client } = await givenKey(server, acme.owner, ['run:read']);
    for (const each of [acme.owner, client]) expect(codeOf(await each(START, { input }))).toBe('FORBIDDEN');
    const { acting } = await givenImpersonation(server, acme);
    expect(codeOf(await acting(START, { input }))).toBe('READ_ONLY');
    await givenGrant(acme, 'WRITE');
    expect(codeOf(await acting(START, { input }))).toBe('FORBIDDEN');
    // Who signed in through the organization's own provider runs nothing.
    const sam = await givenAdministrator(server);
    const bound = await givenBrowser(server, await personId(sam), { boundOrgId: acme.id });
    expect(
      codeOf(
        await bound(
          'mutation { startImpersonation(input: { organizationId: "x", userId: "y", reason: "ticket 42: runs" }) { token } }',
        ),
      ),
    ).toBe('FORBIDDEN');
  });

  test('five at once in an organization, and no more until one is ended', async () => {
    const acme = await givenOrganization(server);
    const { sam, id, userId } = await givenImpersonation(server, acme);
    for (let more = 1; more < 5; more += 1) await givenImpersonation(server, acme, { sam });
    const input = { organizationId: acme.id, userId, reason: 'ticket 42: runs stay' };
    expect(codeOf(await sam(START, { input }))).toBe('CONFLICT');
    await sam(END, { id });
    expect((await sam(START, { input })).errors).toEqual([]);
  });
});

describe('It is gone with the next request', () => {
  const given = async () => {
    const acme = await givenOrganization(server);
    const made = await givenImpersonation(server, acme, { as: 'admin' });
    const { status } = await made.acting(WHO);
    expect(status).toBe(200);
    return { acme, ...made };
  };
  const gone = async (acting: Awaited<ReturnType<typeof given>>['acting']) => {
    const answer = await acting(WHO);
    expect([answer.status, codeOf(answer)]).toEqual([401, 'UNAUTHENTICATED']);
  };

  test('that comes once who began it ended it, as often as they like', async () => {
    const { sam, id, acting, acme } = await given();
    const { data } = await sam(END, { id });
    expect(Date.parse(data.endImpersonation.endedAt)).toBeGreaterThan(0);
    await gone(acting);
    expect((await sam(END, { id })).data.endImpersonation).toEqual(data.endImpersonation);
    expect((await acme.admin(LOG)).data.supportAccessLog.nodes[0].endedAt).toBe(data.endImpersonation.endedAt);
  });

  test('that comes once an OWNER ended it, and no other administrator, ADMIN or OWNER elsewhere can', async () => {
    const { id, acting, acme } = await given();
    const globex = await givenOrganization(server, 'globex');
    expect(codeOf(await (await givenAdministrator(server))(END, { id }))).toBe('NOT_FOUND');
    expect(codeOf(await globex.owner(END, { id }))).toBe('NOT_FOUND');
    expect(codeOf(await acme.admin(END, { id }))).toBe('FORBIDDEN');
    expect(codeOf(await acting(END, { id }))).toBe('READ_ONLY');
    expect((await acting(WHO)).status).toBe(200);
    expect((await acme.owner(END, { id })).errors).toEqual([]);
    await gone(acting);
  });

  test.each([
    ['loses their role', `update person set system_role = 'USER' where id = $1`],
    ['is disabled', `update person set status = 'DISABLED' where id = $1`],
  ])('that comes once who acts %s', async (_, text) => {
    const { samId, acting } = await given();
    await sql(text, [samId]);
    await gone(acting);
  });

  test.each([
    ['is suspended', `update membership set status = 'SUSPENDED' where org_id = $1 and user_id = $2`],
    ['is disabled', `update person set status = 'DISABLED' where id = $2 and $1 <> ''`],
    [
      'was removed, and came back',
      `update membership set joined_at = current_timestamp + interval '1 second' where org_id = $1 and user_id = $2`,
    ],
  ])('that comes once the member %s', async (_, text) => {
    const { acme, userId, acting } = await given();
    await sql(text, [acme.id, userId]);
    await gone(acting);
  });

  test('that comes once who began it signed out, where they were signed in here', async () => {
    const acme = await givenOrganization(server);
    const samId = await personId(await givenAdministrator(server));
    const browser = await givenBrowser(server, samId);
    const sam = server.withToken((await browser.token()).access);
    const { acting } = await givenImpersonation(server, acme, { sam });
    expect((await acting(WHO)).status).toBe(200);
    await browser('mutation { signOutEverywhere }');
    await gone(acting);
  });

  test('that comes after its time, and its log says so', async () => {
    const own = await startServer({ ownDatabase: true });
    try {
      const acme = await givenOrganization(own);
      const { acting, id } = await givenImpersonation(own, acme, { minutes: 5 });
      own.database.pool.clock.advance(4 * minute);
      expect((await acting(WHO)).status).toBe(200);
      own.database.pool.clock.advance(minute);
      expect((await acting(WHO)).status).toBe(401);
      const [access] = (await acme.owner(LOG)).data.supportAccessLog.nodes;
      expect(access).toMatchObject({ id });
      expect(Date.parse(access.endedAt) - Date.parse(access.startedAt)).toBe(5 * minute);
    } finally {
      await own.close();
    }
  });

  test('that comes once an OWNER lets nobody in, by whichever door, and it does not come back', async () => {
    const { acme, acting } = await given();
    await acme.owner(ACCESS, { access: 'DENIED' });
    await gone(acting);
    await acme.owner(ACCESS, { access: 'READ' });
    await gone(acting);
    const { acting: another } = await givenImpersonation(server, acme);
    const back = 'mutation { rollbackSettings(version: 2, expectedVersion: 3) { settings { support { access } } } }';
    expect((await acme.owner(back)).data.rollbackSettings.settings.support.access).toBe('DENIED');
    await gone(another);
  });
});

describe('Whether anybody may look in', () => {
  test('is for the organization to say: DENIED and ON_GRANT are FORBIDDEN, and its record tells who tried', async () => {
    const acme = await givenOrganization(server);
    const userId = await personId(acme.viewer);
    for (const access of ['DENIED', 'ON_GRANT']) {
      await acme.owner(ACCESS, { access });
      const sam = await givenAdministrator(server);
      const input = { organizationId: acme.id, userId, reason: 'ticket 42: runs stay queued' };
      const answer = await sam(START, { input });
      expect(answer.errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', reason: 'SUPPORT_ACCESS' });
      const { data } = await acme.admin(`{ auditLog(first: 1, filter: { action: "impersonation.created" }) {
        nodes { outcome reason onBehalfOf actor { kind id } } } }`);
      expect(data.auditLog.nodes).toEqual([
        {
          outcome: 'REFUSED',
          reason: 'SUPPORT_ACCESS: ticket 42: runs stay queued',
          onBehalfOf: userId,
          actor: { kind: 'PERSON', id: await personId(sam) },
        },
      ]);
    }
    await givenGrant(acme, 'READ');
    expect((await startAs(userId, acme.id)).errors).toEqual([]);
  });

  test('is changed by OWNERs only, by every door', async () => {
    const acme = await givenOrganization(server);
    expect(codeOf(await acme.admin(ACCESS, { access: 'DENIED' }))).toBe('FORBIDDEN');
    await acme.owner(ACCESS, { access: 'DENIED' });
    const back = 'mutation { rollbackSettings(version: 1, expectedVersion: 2) { id } }';
    const refused = await acme.admin(back);
    expect([codeOf(refused), argumentOf(refused)]).toEqual(['FORBIDDEN', 'version']);
    expect((await acme.owner(back)).errors).toEqual([]);
  });

  test('where it takes a grant, it lasts no longer than that', async () => {
    const acme = await givenOrganization(server);
    await acme.owner(ACCESS, { access: 'ON_GRANT' });
    const expiresAt = new Date(Date.now() + 10 * minute).toISOString();
    await acme.owner('mutation ($input: GrantSupportAccessInput!) { grantSupportAccess(input: $input) { id } }', {
      input: { scope: 'READ', expiresAt },
    });
    const { data } = await startAs(await personId(acme.viewer), acme.id);
    expect(data.startImpersonation).toMatchObject({ expiresAt });
    const { exp = 0 } = decodeJwt(data.startImpersonation.token);
    expect(exp * 1000).toBeLessThanOrEqual(Date.parse(expiresAt));
  });
});

describe('Who only looks', () => {
  const MUTATION = 'mutation { updateAgent(input: { id: "agt_0", description: "x" }) { id } }';

  test('changes nothing: READ_ONLY', async () => {
    const acme = await givenOrganization(server);
    const { acting } = await givenImpersonation(server, acme);
    expect(codeOf(await acting(MUTATION))).toBe('READ_ONLY');
    const { data } = await acme.owner(`{ auditLog(first: 5, filter: { outcome: REFUSED }) { nodes { action } } }`);
    expect(data.auditLog.nodes).toEqual([]); // it is written beside the requests
  });

  test('changes nothing whatever a resolver does: PostgreSQL refuses it', async () => {
    // A list that writes each time it is read.
    const wrap = (database: Database): Database => ({
      ...database,
      organizationDb: (orgId, act) => {
        const db = database.organizationDb(orgId, act);
        const list: typeof db.repository.list = async (query) => {
          await db.repository.create({ id: newId('rep'), name: newId('rep'), gitUrl: 'https://git.example/x' });
          return db.repository.list(query);
        };
        return Object.create(db, { repository: { value: { ...db.repository, list } } }) as RequestDb;
      },
    });
    const writing = await startServer({ wrap });
    try {
      const acme = await givenOrganization(writing);
      const { acting } = await givenImpersonation(writing, acme);
      const READ = '{ repositories { nodes { id } } }';
      expect(codeOf(await acting(READ))).toBe('READ_ONLY');
      expect((await acme.owner(READ)).data.repositories.nodes).toHaveLength(2);
      await givenGrant(acme, 'WRITE');
      expect(codeOf(await acting(READ))).toBe('READ_ONLY'); // a query, whatever was granted
    } finally {
      await writing.close();
    }
  });

  test.each(['SUSPENDED', 'PENDING_DELETION'])('is out, and nobody comes in, while it is %s', async (status) => {
    const acme = await givenOrganization(server);
    const { acting, sam, userId } = await givenImpersonation(server, acme);
    const purgeAt = status === 'PENDING_DELETION' ? 'now()' : 'null';
    const set = `update organization set status = $2, purge_at = ${purgeAt} where id = $1`;
    await server.database.pool.queryAsLoginRole(set, [acme.id, status]);
    expect(codeOf(await acting('{ viewer { role } }'))).toBe('UNAUTHENTICATED');
    const input = `{ organizationId: "${acme.id}", userId: "${userId}", reason: "a ticket about runs" }`;
    expect(codeOf(await sam(`mutation { startImpersonation(input: ${input}) { token } }`))).toBe('FORBIDDEN');
  });

  test('reads nothing that is the member’s own elsewhere', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const userId = await personId(acme.viewer);
    await server.database.organizationDb(globex.id, byTest).membership.create({
      userId,
      email: acme.viewer.email,
      name: 'Vic elsewhere',
      role: 'VIEWER',
      status: 'ACTIVE',
      joinedAt: new Date(),
    });
    const { acting } = await givenImpersonation(server, acme, { as: 'viewer' });
    const bound = await givenBrowser(server, userId, { boundOrgId: acme.id });
    expect(codeOf(await acting('{ mySessions { nodes { id } } }'))).toBe('FORBIDDEN');
    expect(codeOf(await acting('{ joinableOrganizations { name } }'))).toBe('FORBIDDEN');
    expect((await acting('query ($id: ID!) { node(id: $id) { id } }', { id: bound.sessionId })).data.node).toBeNull();
    const { data } = await acting(
      `{ myOrganizations { nodes { slug } } viewer { memberships { nodes { organization { slug } } } } }`,
    );
    expect(data.myOrganizations.nodes).toEqual([{ slug: acme.slug }]);
    expect(data.viewer.memberships.nodes).toEqual([{ organization: { slug: acme.slug } }]);
    for (const header of ['x-organization-id', 'x-tenant-id']) {
      for (const name of [globex.slug, globex.id, 'nowhere']) {
        const answer = await acting(WHO, {}, { [header]: name });
        expect([name, codeOf(answer)]).toEqual([name, 'NOT_FOUND']);
      }
      expect((await acting(WHO, {}, { [header]: acme.slug })).errors).toEqual([]);
    }
    const query = 'query ($slug: String) { organization(slug: $slug) { id } }';
    expect(codeOf(await acting(query, { slug: globex.slug }))).toBe('NOT_FOUND');
  });

  test('uses up what they may ask for themselves, and nothing of the member’s', async () => {
    const limited = await startServer({ env: { RATE_LIMIT_PERSON: '8' } });
    try {
      const acme = await givenOrganization(limited);
      const { acting } = await givenImpersonation(limited, acme, { as: 'viewer' });
      const answers: unknown[] = [];
      for (let asked = 0; asked < 10; asked += 1) answers.push(codeOf(await acting(WHO)));
      expect(answers.at(-1)).toBe('RATE_LIMITED');
      expect((await acme.viewer(WHO)).errors).toEqual([]);
    } finally {
      await limited.close();
    }
  });
});

describe('No other door opens to it', () => {
  test.each([
    ['the record as it grows', 'GET', (slug: string) => `/organizations/${slug}/audit`],
    ['a link to the record', 'GET', (slug: string) => `/organizations/${slug}/audit/exports/exp_0`],
    ['an invitation', 'GET', () => `/invitations/${'x'.repeat(43)}`],
    ['an answer to an invitation', 'POST', () => `/invitations/${'x'.repeat(43)}/accept`],
    ['signing out', 'POST', () => '/auth/sign-out'],
  ])('%s is FORBIDDEN', async (_, method, path) => {
    const acme = await givenOrganization(server);
    const { token } = await givenImpersonation(server, acme);
    const { status, text } = await raw(`${server.url}${path(acme.slug)}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-www-form-urlencoded' },
      ...(method === 'POST' && { body: '' }),
    });
    expect([status, text.includes('acts as somebody else')]).toEqual([403, true]);
  });

  test('directories, and tokens and cookies that would come of it', async () => {
    const acme = await givenOrganization(server);
    const { token, id } = await givenImpersonation(server, acme);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${server.url}/scim/v2/Users`, { headers })).status).toBe(401);
    for (const body of [{ grant_type: 'session' }, { grant_type: 'refresh_token', refresh_token: id }]) {
      const answer = await askForToken(server, body, { origin: ownOrigin(server), ...headers });
      expect([body.grant_type, answer.status]).toEqual([body.grant_type, 401]);
    }
    const asked = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ query: WHO }),
    });
    expect([asked.status, asked.headers.get('set-cookie')]).toEqual([200, null]);
    expect(await sql('select from session where id = $1', [id])).toEqual([]);
  });

  test('and no cookie comes beside it but that of who acts', async () => {
    const acme = await givenOrganization(server);
    const { acting, samId, userId } = await givenImpersonation(server, acme);
    const [sams, theirs] = [await givenBrowser(server, samId), await givenBrowser(server, userId)];
    expect((await acting(WHO, {}, sams.header)).status).toBe(200);
    expect((await acting(WHO, {}, theirs.header)).status).toBe(401);
  });

  test('nor does the token count for anybody else, or with another end', async () => {
    const acme = await givenOrganization(server);
    const { id, userId, samId } = await givenImpersonation(server, acme);
    const forge = (claims: object) => server.issuer.sign({ sub: userId, sid: id, org: acme.id, ...claims });
    // Another issuer's `act` says nothing here.
    expect((await server.withToken(await forge({ act: { sub: samId } }))(WHO)).status).toBe(401);
  });
});

describe('Each operation', () => {
  const entriesOf = async (answer: Answer) =>
    sql(
      `select org_id as "orgId", action, outcome, actor_kind as kind, actor_id as actor, on_behalf_of as "onBehalfOf", target_id as "targetId",
         changes, reason from audit_entry where request_id = $1 order by number`,
      [answer.headers.get('x-request-id')],
    );

  test('stands in the record, reads too, with both people, what was asked for and why', async () => {
    const acme = await givenOrganization(server);
    const { acting, id, samId, userId } = await givenImpersonation(server, acme);
    const told = {
      orgId: acme.id,
      kind: 'PERSON',
      actor: samId,
      onBehalfOf: userId,
      targetId: id,
      outcome: 'DONE',
      reason: 'ticket 42: runs stay queued',
    };
    const read = await acting(
      `query Harmless($id: ID!) { mine: run(id: $id) { ...all } ... on Query { run(id: "${acme.runId}") { id } } }
       ${'fragment all on Run'} { input agent { name } }`,
      { id: acme.runId },
    );
    expect(read.errors).toEqual([]);
    expect(await entriesOf(read)).toEqual([
      {
        ...told,
        action: 'impersonation.query',
        changes: {
          operation: [null, 'Harmless'],
          fields: [null, 'run { input agent { name } id }'],
          arguments: [null, [`run.id: "${acme.runId}"`]],
          ids: [null, [acme.runId]],
        },
      },
    ]);
    const write = await acting('mutation { signOut }');
    expect(await entriesOf(write)).toEqual([
      { ...told, action: 'impersonation.mutation', changes: { fields: [null, 'signOut'] } },
    ]);
    // What never ran was not done, and is not told.
    const wrong = 'query { nothing }';
    expect(
      await entriesOf(await server.post(JSON.stringify({ query: wrong }), { authorization: `Bearer ${acting.token}` })),
    ).toEqual([]);
    expect(await entriesOf(await acme.owner('{ runs { nodes { id } } }'))).toEqual([]);
  });

  test('tells what was searched and filtered by, wherever that stood, and of a mutation no value', async () => {
    const acme = await givenOrganization(server);
    const { acting } = await givenImpersonation(server, acme);
    const told = async (answer: Answer) => (await entriesOf(answer))[0]?.['changes'];
    const asked = await acting(
      `query ($search: String, $status: [RunStatus!], $first: Int, $last: Int = 2, $unset: String) {
         repositories(filter: { search: $search }) { nodes { ...ran } }
         again: repositories(filter: { search: "roe" }, after: $unset) { totalCount }
         runs(filter: { status: $status }, first: $first) { totalCount }
       }
       ${'fragment ran on AgentRepository'} { runs(last: $last) { nodes { id } } }`,
      { search: 'doe', status: ['FAILED', 'QUEUED'], first: 3 },
    );
    expect(await told(asked)).toMatchObject({
      arguments: [
        null,
        [
          'repositories.filter: {"search":"doe"}',
          'repositories.nodes.runs.last: 2',
          'repositories.filter: {"search":"roe"}',
          'runs.filter: {"status":["FAILED","QUEUED"]}',
          'runs.first: 3',
        ],
      ],
    });
    const create = 'mutation ($input: CreateCredentialInput!) { createCredential(input: $input) { id } }';
    const input = { kind: 'GIT', name: 'GitHub', provider: 'github', secret: 'swordfish', config: { 'a key': 1 } };
    const refused = await acting(create, { input });
    expect([codeOf(refused), await told(refused)]).toEqual([
      'READ_ONLY',
      {
        fields: [null, 'createCredential { id }'],
        arguments: [null, ['createCredential.input: { kind name provider secret config }']],
      },
    ]);
    // What it would show of what it changed is read, and told like that.
    const nested = await acting(
      'mutation ($id: ID!) { updateRepository(input: { id: $id }) { runs(first: 3) { totalCount } } }',
      { id: acme.runId },
    );
    expect(await told(nested)).toMatchObject({
      arguments: [null, ['updateRepository.input: { id }', 'updateRepository.runs.first: 3']],
    });
    const long = await acting('query ($search: String) { repositories(filter: { search: $search }) { totalCount } }', {
      search: 'x'.repeat(5000),
    });
    expect(JSON.stringify(await told(long)).length).toBeLessThan(1300);
    // Nothing that stands before it hides it.
    const padded = await acting(
      'query ($status: [RunStatus!], $agentId: ID) { runs(filter: { status: $status, agentId: $agentId }) { totalCount } }',
      { status: Array(200).fill('FAILED'), agentId: acme.agentId },
    );
    expect(JSON.stringify(await told(padded))).toContain(`\\"agentId\\":\\"${acme.agentId}\\"`);
    // Nor does a long text end within a character, which could not be told.
    for (const before of ['', 'x']) {
      const search = `${before}${'😀'.repeat(1000)}`;
      const cut = await acting('query ($search: String) { repositories(filter: { search: $search }) { totalCount } }', {
        search,
      });
      expect([codeOf(cut) === 'SERVICE_UNAVAILABLE', await told(cut)]).toMatchObject([
        false,
        { arguments: [null, [expect.any(String)]] },
      ]);
    }
    // All of it is told, or nothing is done.
    const many = Array.from(
      { length: 20 },
      (_, index) => `a${index}: repositories(filter: { search: "${index}${'x'.repeat(1000)}" }) { totalCount }`,
    );
    const refusedWhole = await acting(`{ ${many.join(' ')} }` as string);
    expect([codeOf(refusedWhole), await entriesOf(refusedWhole)]).toEqual(['QUERY_TOO_EXPENSIVE', []]);
  });

  test('is told by the words of the contract, and where what it names is told whole', async () => {
    const acme = await givenOrganization(server);
    const { acting } = await givenImpersonation(server, acme);
    const { data } = await acme.owner(
      'query ($id: ID!) { auditLog(filter: { targetId: $id }) { nodes { action actor { name } changes { path after } } } }',
      { id: (await acting(WHO)).data.viewer.impersonation.id },
    );
    expect(data.auditLog.nodes.map(({ action }: { action: string }) => action)).toEqual([
      'impersonation.query',
      'impersonation.created',
    ]);
    const ids = Array.from({ length: 501 }, (_, index) => `run_${String(index).padStart(26, '0')}`);
    const many = await acting('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
    expect([codeOf(many), await entriesOf(many)]).toEqual(['QUERY_TOO_EXPENSIVE', []]);
  });

  test('that cannot be recorded first is not done', async () => {
    const own = await startServer({ ownDatabase: true });
    const login = (text: string) => own.database.pool.queryAsLoginRole(text);
    try {
      const acme = await givenOrganization(own);
      const { acting } = await givenImpersonation(own, acme);
      await givenGrant(acme, 'WRITE');
      await login('revoke insert on audit_entry from orgate_app');
      for (const query of [
        '{ runs { nodes { id } } }',
        'mutation { createRepository(input: { name: "never", gitUrl: "https://git.example/x" }) { id } }',
      ]) {
        own.statements.length = 0;
        const answer = await acting(query);
        expect([query, codeOf(answer), answer.data]).toEqual([query, 'SERVICE_UNAVAILABLE', null]);
        expect(own.statements.filter(({ text }) => /\brun\b|\brepository\b/.test(text))).toEqual([]);
      }
      await login('grant insert on audit_entry to orgate_app');
      expect((await acting('{ runs { nodes { id } } }')).errors).toEqual([]);
      expect((await acme.owner('{ repositories { nodes { name } } }')).text).not.toContain('never');
    } finally {
      await own.close();
    }
  });
});

test('Every OWNER is mailed who acts as whom, why, and how to end it', async () => {
  const acme = await givenOrganization(server);
  const second = await givenMember(server, acme, 'OWNER');
  const { id, sam } = await givenImpersonation(server, acme, { as: 'viewer' });
  for (const owner of [acme.owner, second]) {
    const mail = await mailTo(server, owner.email);
    for (const told of [sam.email, `VIEWER of ${acme.slug}`, 'ticket 42: runs stay queued', id])
      expect(mail).toContain(told);
  }
});

describe('supportAccessLog', () => {
  test('lists who was there, for whom, why and how long, the latest first, for whoever may read it', async () => {
    const acme = await givenOrganization(server);
    const first = await givenImpersonation(server, acme, { as: 'viewer' });
    const second = await givenImpersonation(server, acme, { as: 'admin' });
    await first.sam(END, { id: first.id });
    const { data } = await acme.admin(LOG);
    const [sam] = await sql('select name, email from person where id = $1', [first.samId]);
    expect(data.supportAccessLog.totalCount).toBe(2);
    expect(data.supportAccessLog.nodes).toMatchObject([
      { id: second.id, scope: 'READ', endedAt: null, onBehalfOf: { id: second.userId } },
      {
        id: first.id,
        reason: 'ticket 42: runs stay queued',
        by: { id: first.samId, ...sam },
        endedAt: expect.any(String),
        onBehalfOf: { id: first.userId },
      },
    ]);
    expect(codeOf(await acme.developer(LOG))).toBe('FORBIDDEN');
  });

  test('is not read in a mere default among several organizations', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const anywhere = await server.as(acme.owner.email);
    await server.database.organizationDb(globex.id, byTest).membership.create({
      userId: await personId(anywhere),
      email: anywhere.email,
      name: 'Elsewhere',
      role: 'VIEWER',
      status: 'ACTIVE',
      joinedAt: new Date(),
    });
    await anywhere('mutation ($id: ID) { setDefaultOrganization(organizationId: $id) { role } }', { id: acme.id });
    expect((await anywhere('{ viewer { currentOrganization { id } } }')).data.viewer.currentOrganization.id).toBe(
      acme.id,
    );
    expect(codeOf(await anywhere(LOG))).toBe('ORG_CONTEXT_REQUIRED');
    expect(codeOf(await anywhere('{ supportAccessGrants { nodes { id } } }'))).toBe('ORG_CONTEXT_REQUIRED');
    const { id } = await givenImpersonation(server, acme);
    expect(codeOf(await anywhere('query ($id: ID!) { node(id: $id) { id } }', { id }))).toBe('ORG_CONTEXT_REQUIRED');
  });
});
