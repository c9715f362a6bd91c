import { describe, expect, test } from '@jest/globals';
import { givenAdministrator, givenOrganization, givenTwoOrganizations, personId } from '../../support/given.js';
import { codeOf, useServer } from '../../support/server.js';

const server = useServer();

const LIST = `query ($search: String) {
  organizations(first: 50, filter: { search: $search }) { nodes { slug status createdAt } }
}`;
const SUSPEND = `mutation ($id: ID!, $reason: String!) { suspendOrganization(organizationId: $id, reason: $reason) { id } }`;

const sql = async (text: string, values: unknown[]) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];
const toldOf = (orgId: string) =>
  sql(
    `select actor_id, actor_name, action, outcome from audit_entry where org_id = $1 and action = 'organization.seen'`,
    [orgId],
  );

describe('What a SYSTEM_ADMIN sees of an organization', () => {
  test('is told in its own record, once a day of each', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const [sam, tom] = [await givenAdministrator(server), await givenAdministrator(server)];
    const { data } = await sam(LIST, { search: acme.slug });
    expect(data.organizations?.nodes).toMatchObject([{ slug: acme.slug }]);
    const bySam = {
      actor_id: await personId(sam),
      actor_name: sam.email.split('@')[0],
      action: 'organization.seen',
      outcome: 'DONE',
    };
    expect(await toldOf(acme.id)).toEqual([bySam]);
    expect(await toldOf(globex.id)).toEqual([]);
    await sam(LIST, { search: acme.slug });
    await sam(
      `{ ${[1, 2, 3].map((n) => `a${n}: organizations(filter: { search: "${acme.slug}" }) { nodes { id } }`).join(' ')} }`,
    );
    expect(await toldOf(acme.id)).toEqual([bySam]);
    await tom(LIST, { search: acme.slug });
    expect(await toldOf(acme.id)).toHaveLength(2);
    const log = await acme.owner(
      '{ auditLog(filter: { action: "organization.seen" }) { nodes { actor { id name } } } }',
    );
    expect(log.data.auditLog?.nodes.map(({ actor }) => actor.name)).toContain(bySam.actor_name);
  });

  test('is told again a day later', async () => {
    const acme = await givenOrganization(server);
    const sam = await givenAdministrator(server);
    const id = await personId(sam);
    const seenBefore = `insert into audit_entry (org_id, actor_kind, actor_id, action, at)
      values ($1, 'PERSON', $2, 'organization.seen', now() - $3::interval)`;
    await sql(seenBefore, [acme.id, id, '25 hours']);
    await sam(LIST, { search: acme.slug });
    expect(await toldOf(acme.id)).toHaveLength(2);
    await sql(`update audit_entry set at = at - interval '23 hours' where org_id = $1 and actor_name is not null`, [
      acme.id,
    ]);
    await sam(LIST, { search: acme.slug });
    expect(await toldOf(acme.id)).toHaveLength(2);
  });

  test('is told by one statement, however many are listed, and by none where all know', async () => {
    const slugs = `many${Date.now()}`;
    for (let index = 0; index < 5; index += 1) await givenOrganization(server, slugs);
    const sam = await givenAdministrator(server);
    const writes = async () => {
      const from = server.statements.length;
      expect((await sam(LIST, { search: slugs })).data.organizations?.nodes).toHaveLength(5);
      return server.statements.slice(from).filter(({ text }) => text.includes('insert into audit_entry')).length;
    };
    expect([await writes(), await writes()]).toEqual([1, 0]);
  });

  test('is told where a mutation of theirs changed nothing, and so left nothing else', async () => {
    const acme = await givenOrganization(server);
    const sam = await givenAdministrator(server);
    await sam(SUSPEND, { id: acme.id, reason: 'Unpaid.' });
    expect(await toldOf(acme.id)).toEqual([]);
    await sam(SUSPEND, { id: acme.id, reason: 'Again.' });
    expect(await toldOf(acme.id)).toHaveLength(1);
  });

  test('is told of nobody who is shown nothing', async () => {
    const acme = await givenOrganization(server);
    expect(codeOf(await acme.owner(LIST, { search: acme.slug }))).toBe('FORBIDDEN');
    const sam = await givenAdministrator(server);
    await sam(`{ organizations(first: 0, filter: { search: "${acme.slug}" }) { totalCount } }`);
    expect(await toldOf(acme.id)).toEqual([]);
  });

  test('is not shown where it cannot be told', async () => {
    const acme = await givenOrganization(server);
    const sam = await givenAdministrator(server);
    await sql(
      `create or replace function refuse_${acme.id}() returns trigger language plpgsql as
       $$ begin if new.org_id = '${acme.id}' then raise exception 'full'; end if; return new; end $$`,
      [],
    );
    await sql(
      `create trigger refuse before insert on audit_entry for each row execute function refuse_${acme.id}()`,
      [],
    );
    try {
      const refused = await sam(LIST, { search: acme.slug });
      expect([codeOf(refused), refused.data.organizations]).toEqual(['INTERNAL_SERVER_ERROR', null]);
    } finally {
      await sql('drop trigger refuse on audit_entry', []);
    }
  });
});
