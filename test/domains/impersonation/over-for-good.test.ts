import { describe, expect, test } from '@jest/globals';
import { givenAdministrator, givenOrganization, personId } from '../../support/given.js';
import { givenGrant, givenImpersonation, START } from '../../support/impersonation.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';
import { givenBrowser } from '../../support/sessions.js';

// What ended an access ended it, whatever is made good afterwards.

const server = useServer();
const sql = async (text: string, values: unknown[] = []) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows;
const argumentOf = ({ errors }: Answer) => errors[0]?.extensions['argument'];
const LOG = '{ supportAccessLog { nodes { id endedAt } } }';
const END = 'mutation ($id: ID!) { endImpersonation(id: $id) { endedAt } }';
const ROLE = '{ viewer { role } }';
const GRANTS = '{ supportAccessGrants { nodes { id inForce } } }';
const REVOKE = 'mutation ($id: ID!) { revokeSupportAccess(id: $id) { inForce } }';
const ACCESS = `mutation ($access: SupportAccess!) {
  updateOrganization(input: { settings: { support: { access: $access } } }) { id } }`;

const role = (of: string) => `update person set system_role = $2 where id = ${of} and $1 <> ''`;

describe('An access is over for good, and the log says when, once', () => {
  test.each([
    ['who acts was demoted', 'samId', role('$3'), 'USER', 'SYSTEM_ADMIN'],
    [
      'who acts was disabled',
      'samId',
      `update person set status = $2 where id = $3 and $1 <> ''`,
      'DISABLED',
      'ACTIVE',
    ],
    ['the member was promoted', 'userId', role('$3'), 'SYSTEM_ADMIN', 'USER'],
    [
      'the member was disabled',
      'userId',
      `update person set status = $2 where id = $3 and $1 <> ''`,
      'DISABLED',
      'ACTIVE',
    ],
    [
      'the member was suspended',
      'userId',
      'update membership set status = $2 where org_id = $1 and user_id = $3',
      'SUSPENDED',
      'ACTIVE',
    ],
    [
      'the organization was suspended',
      'userId',
      `update organization set status = $2 where id = $1 and $3 <> ''`,
      'SUSPENDED',
      'ACTIVE',
    ],
  ] as const)('%s', async (_, whose, text, bad, good) => {
    const acme = await givenOrganization(server);
    const made = await givenImpersonation(server, acme, { as: 'admin' });
    const { acting, id, sam } = made;
    expect((await acting(ROLE)).status).toBe(200);
    await sql(text, [acme.id, bad, made[whose]]);
    await sql(text, [acme.id, good, made[whose]]);
    expect((await acting(ROLE)).status).toBe(401);
    const { data } = await acme.owner(LOG);
    expect(data.supportAccessLog.nodes).toEqual([{ id, endedAt: expect.any(String) }]);
    const told = await sql(
      `select outcome from audit_entry where org_id = $1 and action = 'impersonation.ended' and target_id = $2`,
      [acme.id, id],
    );
    expect(told).toEqual([{ outcome: 'DONE' }]);
    // Nor does it count among the five.
    for (let more = 0; more < 5; more += 1) await givenImpersonation(server, acme, { sam });
  });

  test('an OWNER suspended the member, who is called by name as who ended it', async () => {
    const acme = await givenOrganization(server);
    const { userId, id } = await givenImpersonation(server, acme, { as: 'viewer' });
    const done = await acme.owner('mutation ($id: ID!) { suspendMember(userId: $id) { status } }', { id: userId });
    expect(done.errors).toEqual([]);
    const [told] = await sql(
      `select actor_id as by from audit_entry where org_id = $1 and action = 'impersonation.ended' and target_id = $2`,
      [acme.id, id],
    );
    expect(told).toEqual({ by: await personId(acme.owner) });
  });

  test('who began it signed out, who is called by name there', async () => {
    const acme = await givenOrganization(server);
    const samId = await personId(await givenAdministrator(server));
    const browser = await givenBrowser(server, samId);
    const sam = server.withToken((await browser.token()).access);
    const { id } = await givenImpersonation(server, acme, { sam });
    await browser('mutation { signOutEverywhere }');
    expect((await acme.owner(LOG)).data.supportAccessLog.nodes).toEqual([{ id, endedAt: expect.any(String) }]);
    const [told] = await sql(
      `select actor_id as by, actor_name as name from audit_entry where org_id = $1 and action = 'impersonation.ended'`,
      [acme.id],
    );
    expect(told).toEqual({ by: samId, name: expect.stringMatching(/^sam-/) });
  });
});

describe('Who lets nobody in', () => {
  test('takes back what was granted: a change of mind grants nothing', async () => {
    const acme = await givenOrganization(server);
    const id = await givenGrant(acme, 'WRITE');
    await acme.owner(ACCESS, { access: 'DENIED' });
    expect((await acme.owner(GRANTS)).data.supportAccessGrants.nodes).toEqual([{ id, inForce: false }]);
    const expiresAt = new Date(Date.now() + 600_000).toISOString();
    const again = await acme.owner(
      'mutation ($input: GrantSupportAccessInput!) { grantSupportAccess(input: $input) { id } }',
      { input: { scope: 'WRITE', expiresAt } },
    );
    expect(codeOf(again)).toBe('CONFLICT');
    await acme.owner(ACCESS, { access: 'READ' });
    const { acting } = await givenImpersonation(server, acme);
    expect((await acting('{ viewer { impersonation { scope } } }')).data.viewer.impersonation.scope).toBe('READ');
  });

  test.each(['SUSPENDED', 'PENDING_DELETION'])('takes back what was granted while it is %s, too', async (status) => {
    const acme = await givenOrganization(server);
    const id = await givenGrant(acme, 'WRITE');
    const purgeAt = status === 'PENDING_DELETION' ? 'now()' : 'null';
    await sql(`update organization set status = $2, purge_at = ${purgeAt} where id = $1`, [acme.id, status]);
    expect(codeOf(await acme.admin(REVOKE, { id }))).toBe('FORBIDDEN');
    expect((await acme.owner(REVOKE, { id })).data).toEqual({ revokeSupportAccess: { inForce: false } });
  });
});

describe('Within one document', () => {
  test('each mutation looks again whether the one before it left it allowed', async () => {
    const acme = await givenOrganization(server);
    await givenGrant(acme, 'WRITE');
    const { acting, id } = await givenImpersonation(server, acme, { as: 'admin' });
    // While the first of them is done, somebody ends it.
    await sql(
      `create function end_${id}() returns trigger language plpgsql as $$ begin
         perform set_config('was.act', current_setting('app.act'), true);
         perform set_config('app.act', '{"kind":"SYSTEM","name":"somebody"}', true);
         update impersonation set ended_at = now() where id = '${id}';
         perform set_config('app.act', current_setting('was.act'), true); return new; end $$`,
    );
    await sql(`grant execute on function end_${id}() to orgate_app`);
    await sql(`create trigger zz_${id} after update on organization for each row when (new.description = '${id}')
      execute function end_${id}()`);
    try {
      const answer = await acting(
        `mutation { a: updateOrganization(input: { description: "${id}" }) { id }
          b: createRepository(input: { name: "after", gitUrl: "https://git.example/after" }) { id } }`,
      );
      expect(answer.errors.map(({ extensions }) => extensions.code)).toEqual(['UNAUTHENTICATED']);
      const { data } = await acme.owner('{ currentOrganization { description } }');
      expect(data.currentOrganization.description).toBe(id);
      expect((await acme.owner('{ repositories { nodes { name } } }')).text).not.toContain('"after"');
    } finally {
      await sql(`drop trigger zz_${id} on organization`);
      await sql(`drop function end_${id}()`);
    }
  });
});

describe('Nobody does for somebody else', () => {
  test('what reserves of a budget, or moves a repository away from its credential', async () => {
    const acme = await givenOrganization(server);
    await givenGrant(acme, 'WRITE');
    const { acting } = await givenImpersonation(server, acme, { as: 'admin' });
    const START_RUN = 'mutation ($input: StartRunInput!) { startRun(input: $input) { id } }';
    const { data } = await acme.owner('{ repositories { nodes { id } } agents { nodes { id } } }');
    const agentId = data.agents.nodes[0].id as string;
    const reserving = await acting(START_RUN, { input: { agentId, estimatedCostMicros: 1 } });
    expect([codeOf(reserving), argumentOf(reserving)]).toEqual(['FORBIDDEN', 'input.estimatedCostMicros']);
    expect((await acting(START_RUN, { input: { agentId } })).errors).toEqual([]);
    const UPDATE = 'mutation ($input: UpdateRepositoryInput!) { updateRepository(input: $input) { gitUrl } }';
    const { id } = data.repositories.nodes[0];
    const moved = await acting(UPDATE, { input: { id, gitUrl: 'https://evil.example/x' } });
    expect([codeOf(moved), argumentOf(moved)]).toEqual(['FORBIDDEN', 'input.gitUrl']);
    expect((await acting(UPDATE, { input: { id, description: 'helped' } })).errors).toEqual([]);
    expect((await acme.owner(UPDATE, { input: { id, gitUrl: 'https://git.example/x' } })).errors).toEqual([]);
  });
});

describe('The organization is told', () => {
  const refused = (orgId: string) =>
    sql(
      `select on_behalf_of as "onBehalfOf", reason from audit_entry
       where org_id = $1 and action = 'impersonation.created' and outcome = 'REFUSED' order by number`,
      [orgId],
    );

  test('of everybody who was tried to be acted as, and of no id that is no member’s', async () => {
    const acme = await givenOrganization(server);
    const globex = await givenOrganization(server, 'globex');
    const sam = await givenAdministrator(server);
    const stranger = await personId(globex.owner);
    const [viewer, developer] = [await personId(acme.viewer), await personId(acme.developer)];
    const start = (userId: string) =>
      sam(START, { input: { organizationId: acme.id, userId, reason: 'ticket 42: runs stay' } });
    expect(codeOf(await start(stranger))).toBe('NOT_FOUND');
    expect(codeOf(await start('usr_nobody'))).toBe('NOT_FOUND');
    await acme.owner(ACCESS, { access: 'DENIED' });
    for (const userId of [viewer, developer, viewer]) expect(codeOf(await start(userId))).toBe('FORBIDDEN');
    expect(await refused(acme.id)).toEqual([
      { onBehalfOf: null, reason: 'NOT_FOUND: ticket 42: runs stay' },
      { onBehalfOf: viewer, reason: 'SUPPORT_ACCESS: ticket 42: runs stay' },
      { onBehalfOf: developer, reason: 'SUPPORT_ACCESS: ticket 42: runs stay' },
    ]);
  });

  const mailed = async (work: () => Promise<unknown>) => {
    server.statements.length = 0;
    await work();
    return server.statements.filter(({ text }) => /insert into \S*due_work/i.test(text)).length;
  };

  test('by a mail of each access, also of one that begins as soon as another ended', async () => {
    const acme = await givenOrganization(server);
    const sam = await givenAdministrator(server);
    const counts: number[] = [];
    const beginAndEnd = async () => {
      const { id } = await givenImpersonation(server, acme, { sam });
      expect((await sam(END, { id })).errors).toEqual([]);
    };
    for (let more = 0; more < 10; more += 1) counts.push(await mailed(beginAndEnd));
    expect(counts).toEqual(Array.from({ length: 10 }, () => 1));
    expect((await acme.owner(LOG)).data.supportAccessLog.nodes).toHaveLength(10);
    // Nobody floods them: no more begins, and nothing that began is untold.
    const input = { organizationId: acme.id, userId: await personId(acme.owner), reason: 'ticket 42: runs stay' };
    const begun = await sam(START, { input });
    expect([codeOf(begun), begun.errors[0]?.message]).toEqual([
      'CONFLICT',
      'At most 10 in ten minutes in an organization, whose OWNERs are mailed of each: wait.',
    ]);
    // Somebody else is somebody else, another organization another, and ten minutes go by.
    expect(await mailed(() => givenImpersonation(server, acme))).toBe(1);
    const globex = await givenOrganization(server, 'globex');
    expect(await mailed(() => givenImpersonation(server, globex, { sam }))).toBe(1);
    await sql(`update impersonation set created_at = created_at - interval '10 minutes' where org_id = $1`, [acme.id]);
    expect(await mailed(() => givenImpersonation(server, acme, { sam }))).toBe(1);
  });

  test('by mail to every OWNER, however many there are', async () => {
    const acme = await givenOrganization(server);
    await sql(
      `with made as (
         insert into person (id, email, name) select 'usr_' || $1 || n, 'o' || n || '@' || $1 || '.example', 'Owner ' || n
         from generate_series(1, 101) n returning id, email, name
       ) insert into membership (org_id, id, user_id, email, name, role, status, joined_at)
         select $2, 'mem_' || id, id, email, name, 'OWNER', 'ACTIVE', now() from made`,
      [acme.slug, acme.id],
    );
    expect(await mailed(() => givenImpersonation(server, acme))).toBe(102);
  });
});

describe('What watches over an ADMIN', () => {
  const FLAGS =
    'mutation ($flags: JSONObject) { updateOrganization(input: { settings: { featureFlags: $flags } }) { id } }';

  test.each(['audit_stream', 'approvals'])('only an OWNER switches off and on: %s', async (name) => {
    const acme = await givenOrganization(server);
    const off = await acme.admin(FLAGS, { flags: { [name]: false } });
    expect([codeOf(off), argumentOf(off)]).toEqual(['FORBIDDEN', 'input.settings.featureFlags']);
    expect((await acme.admin(FLAGS, { flags: { webhooks: false } })).errors).toEqual([]);
    expect((await acme.owner(FLAGS, { flags: { [name]: false } })).errors).toEqual([]);
    expect(codeOf(await acme.admin(FLAGS, { flags: {} }))).toBe('FORBIDDEN');
  });

  test('whom settings named stands in no version of them', async () => {
    const acme = await givenOrganization(server);
    const EMAIL = `mutation ($email: String) {
      updateOrganization(input: { settings: { branding: { supportEmail: $email } } }) { id } }`;
    for (const email of ['carol@example.com', 'dave@example.com']) {
      expect((await acme.owner(EMAIL, { email })).errors).toEqual([]);
    }
    const { data } = await acme.viewer('{ settingsVersions(first: 2) { nodes { changes { path before after } } } }');
    const path = 'branding.supportEmail';
    expect(data.settingsVersions.nodes).toEqual([
      { changes: [{ path, before: '***', after: '***' }] },
      { changes: [{ path, before: null, after: '***' }] },
    ]);
    const back =
      'mutation { rollbackSettings(version: 2, expectedVersion: 3) { settings { branding { supportEmail } } } }';
    expect((await acme.owner(back)).data.rollbackSettings.settings.branding.supportEmail).toBe('carol@example.com');
  });
});
