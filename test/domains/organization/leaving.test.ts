import { describe, expect, test } from '@jest/globals';
import { addDueWork, type DueKind } from '../../../src/jobs/due-kind.js';
import { z } from 'zod';
import { byTest } from '../../support/act.js';
import { givenKey } from '../../support/api-key.js';
import { openReplica } from '../../support/due-work.js';
import {
  type GivenOrganization,
  givenHeldDomain,
  givenMember,
  givenOrganization,
  givenTwoOrganizations,
  unique,
} from '../../support/given.js';
import { secretFor } from '../../support/mail.js';
import { givenDirectory } from '../../support/scim.js';
import { type Answer, codeOf, useServer } from '../../support/server.js';

const server = useServer({ env: { DELETION_GRACE_DAYS: '7' } });

const DAY_MS = 86_400_000;
const REQUEST = 'mutation ($confirm: String!) { requestOrganizationDeletion(confirm: $confirm) { status purgeAt } }';
const CANCEL = 'mutation { cancelOrganizationDeletion { status purgeAt } }';
const STATUS = '{ currentOrganization { status purgeAt } }';

const sql = async (text: string, values: unknown[]) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];
const request = (organization: GivenOrganization) => organization.owner(REQUEST, { confirm: organization.slug });
const reasonOf = ({ errors }: Answer): unknown[] =>
  errors.map(({ extensions }) => [extensions['code'], extensions['reason']]);
const PENDING = [['FORBIDDEN', 'PENDING_DELETION']];

describe('requestOrganizationDeletion', () => {
  test('says when it will be deleted, by the days that the deployment gives', async () => {
    const acme = await givenOrganization(server);
    expect((await acme.viewer(STATUS)).data.currentOrganization).toEqual({ status: 'ACTIVE', purgeAt: null });
    const before = Date.now();
    const { data } = await request(acme);
    const { status, purgeAt } = data.requestOrganizationDeletion;
    expect(status).toBe('PENDING_DELETION');
    expect(Math.abs(Date.parse(String(purgeAt)) - before - 7 * DAY_MS)).toBeLessThan(DAY_MS / 24);
    expect((await acme.owner(STATUS)).data.currentOrganization).toEqual({ status, purgeAt });
    expect(await sql('select kind, due_at from owed_work where subject = $1', [acme.id])).toEqual([
      { kind: 'purge', due_at: new Date(String(purgeAt)) },
    ]);
    const mine = await acme.viewer('{ myOrganizations { nodes { slug status } } }');
    expect(mine.data.myOrganizations.nodes).toEqual([{ slug: acme.slug, status }]);
  });

  test('takes the slug as it is now, and no other text', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const renamed = unique('renamed');
    await acme.owner('mutation ($slug: String) { updateOrganization(input: { slug: $slug }) { id } }', {
      slug: renamed,
    });
    for (const confirm of ['', acme.id, acme.slug, globex.slug, ` ${renamed}`, renamed.toUpperCase()]) {
      const refused = await acme.owner(REQUEST, { confirm });
      expect([confirm, codeOf(refused), refused.errors[0]?.extensions['argument']]).toEqual([
        confirm,
        'BAD_USER_INPUT',
        'confirm',
      ]);
    }
    expect((await acme.owner(REQUEST, { confirm: renamed })).errors).toEqual([]);
    expect((await globex.viewer(STATUS)).data.currentOrganization?.status).toBe('ACTIVE');
  });

  test('stands in the record with its cancellation, and is refused a second time', async () => {
    const acme = await givenOrganization(server);
    expect((await request(acme)).errors).toEqual([]);
    expect(reasonOf(await request(acme))).toEqual(PENDING);
    expect((await acme.owner(CANCEL)).data.cancelOrganizationDeletion).toEqual({ status: 'ACTIVE', purgeAt: null });
    expect(codeOf(await acme.owner(CANCEL))).toBe('CONFLICT');
    const entries = await sql(
      `select action, actor_kind from audit_entry where org_id = $1 and action like 'organization.%' order by number`,
      [acme.id],
    );
    expect(entries).toEqual(
      ['created', 'pending_deletion', 'active'].map((what) => ({
        action: `organization.${what}`,
        actor_kind: 'PERSON',
      })),
    );
  });

  test('is not to be cancelled once the grace is over', async () => {
    const acme = await givenOrganization(server);
    await request(acme);
    await sql(`update organization set purge_at = now() - interval '1 second' where id = $1`, [acme.id]);
    expect(codeOf(await acme.owner(CANCEL))).toBe('CONFLICT');
    expect((await acme.owner(STATUS)).data.currentOrganization?.status).toBe('PENDING_DELETION');
  });
});

describe('While it is to be deleted', () => {
  test('whoever is elsewhere, too, works there as before', async () => {
    const { acme, globex } = await givenTwoOrganizations(server);
    const both = await givenMember(server, globex, 'DEVELOPER', { email: acme.developer.email });
    await request(acme);
    expect(reasonOf(await acme.developer('{ runs { totalCount } }'))).toEqual(PENDING);
    expect((await both('{ runs { totalCount } }')).errors).toEqual([]);
    const anywhere = await server.as(acme.developer.email);
    const switched = await anywhere(
      'mutation ($to: ID!) { switchOrganization(organizationId: $to) { currentOrganization { slug } } }',
      { to: globex.slug },
    );
    expect(switched.data.switchOrganization?.currentOrganization.slug).toBe(globex.slug);
  });

  test('its record answers OWNERs by the other door, and nobody else', async () => {
    const acme = await givenOrganization(server);
    await request(acme);
    const read = ({ token }: { readonly token: string }) =>
      fetch(`${server.url}/organizations/${acme.slug}/audit`, { headers: { authorization: `Bearer ${token}` } });
    expect((await read(acme.owner)).status).toBe(200);
    const refused = await read(acme.admin);
    expect([refused.status, ((await refused.json()) as Answer).errors[0]?.extensions['reason']]).toEqual([
      403,
      'PENDING_DELETION',
    ]);
  });

  test('directories are refused, reads too, and go on when that is cancelled', async () => {
    const acme = await givenOrganization(server);
    const directory = await givenDirectory(server, acme);
    const user = { userName: `${unique('jo')}@${directory.domain}` };
    await request(acme);
    expect((await directory('GET', '/Users')).status).toBe(403);
    expect((await directory('POST', '/Users', user)).status).toBe(403);
    await acme.owner(CANCEL);
    expect((await directory('POST', '/Users', user)).status).toBe(201);
  });

  test('nobody joins: by invitation, by domain, or by its provider; and keys come back with the cancellation', async () => {
    const acme = await givenOrganization(server);
    const { client: key } = await givenKey(server, acme.owner, ['run:read']);
    const { name: domain } = await givenHeldDomain(server, acme, { joining: 'AUTO', joiningRole: 'VIEWER' });
    const email = `${unique('ivy')}@new.example`;
    await acme.owner('mutation ($input: InviteUserInput!) { inviteUser(input: $input) { role } }', {
      input: { email, name: 'Ivy', role: 'VIEWER' },
    });
    const secret = await secretFor(server, email);
    const ivy = await server.as(email);
    await request(acme);
    for (const field of ['acceptInvitation', 'declineInvitation', 'requestNewInvitation']) {
      const refused = await ivy(`mutation ($secret: String!) { ${field}(secret: $secret) { outcome } }`, { secret });
      expect([field, reasonOf(refused)]).toEqual([field, PENDING]);
    }
    const joe = await server.as(`${unique('joe')}@${domain}`);
    expect((await joe('{ myOrganizations { totalCount } }')).data.myOrganizations.totalCount).toBe(0);
    const asked = await joe('mutation ($id: ID!) { requestToJoin(organizationId: $id) { name } }', { id: acme.id });
    expect(codeOf(asked)).toBe('NOT_FOUND');
    expect(reasonOf(await key('{ runs { totalCount } }'))).toEqual(PENDING);
    expect(
      await sql(`select from membership where org_id = $1 and email like '%@new.example' and status = 'ACTIVE'`, [
        acme.id,
      ]),
    ).toEqual([]);
    await acme.owner(CANCEL);
    expect((await key('{ runs { totalCount } }')).errors).toEqual([]);
    const accepted = await ivy('mutation ($secret: String!) { acceptInvitation(secret: $secret) { outcome } }', {
      secret,
    });
    expect(accepted.data.acceptInvitation?.outcome).toBe('ACCEPTED');
  });

  test('its work waits, and goes on when that is cancelled', async () => {
    const acme = await givenOrganization(server);
    const done: string[] = [];
    const kind = {
      name: unique('kind'),
      payload: z.object({}),
      run: async ({ subject }: { readonly subject: string }) => void done.push(subject),
    };
    const replica = openReplica(server, { kinds: [kind as unknown as DueKind<never>] });
    await request(acme);
    const db = server.database.organizationDb(acme.id, byTest);
    await addDueWork(db, kind, { subject: 'x', payload: {}, dueAt: new Date(0) });
    await replica.workOff();
    expect(done).toEqual([]);
    await acme.owner(CANCEL);
    for (let round = 0; round < 6; round += 1) await replica.workOff();
    expect(done).toEqual(['x']);
  });
});
