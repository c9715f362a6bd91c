import { expect } from '@jest/globals';
import { givenOrganization, personId } from '../support/given.js';
import { givenGrant, givenImpersonation, START } from '../support/impersonation.js';
import { type Answer, codeOf, useServer } from '../support/server.js';
import { connectBeside, inOrder, organizationRow } from './interleave.js';
import { race } from './race.js';

const server = useServer({ poolSize: 12 });

const sql = async (text: string, values: unknown[]) => (await server.database.pool.queryAsLoginRole(text, values)).rows;
const outcome = (answer: Answer): string => (answer.errors.length === 0 ? 'done' : String(codeOf(answer)));
const REVOKE = 'mutation ($id: ID!) { revokeSupportAccess(id: $id) { id } }';
const DESCRIBE = 'mutation ($description: String) { updateOrganization(input: { description: $description }) { id } }';
const ACCESS = `mutation ($access: SupportAccess!) {
  updateOrganization(input: { settings: { support: { access: $access } } }) { id } }`;

race(
  'of fifty changes under way while a grant is revoked none is made after it, and each was told before',
  async () => {
    for (let round = 0; round < 3; round += 1) {
      const acme = await givenOrganization(server);
      const grant = await givenGrant(acme, 'WRITE');
      const { acting, samId, userId } = await givenImpersonation(server, acme, { as: 'admin' });
      const change = (index: number) => acting(DESCRIBE, { description: `change ${index}` });
      const first = Array.from({ length: 25 }, (_, index) => change(index));
      await Promise.race(first);
      const revoked = acme.owner(REVOKE, { id: grant });
      const second = Array.from({ length: 25 }, (_, index) => change(25 + index));
      expect(outcome(await revoked)).toBe('done');
      const after = await Promise.all(Array.from({ length: 5 }, (_, index) => change(50 + index)));
      expect(after.map(outcome)).toEqual(Array(5).fill('READ_ONLY'));
      const outcomes = (await Promise.all([...first, ...second])).map(outcome);
      expect(outcomes.filter((each) => each !== 'done' && each !== 'READ_ONLY')).toEqual([]);
      const entries = await sql(
        `select action, number::float8 as number, request_id as request from audit_entry
       where org_id = $1 and (on_behalf_of = $2 and actor_id = $3 or action = 'support_access_grant.revoked') order by number`,
        [acme.id, userId, samId],
      );
      const told = new Map(
        entries.filter(({ action }) => action === 'impersonation.mutation').map((each) => [each.request, each.number]),
      );
      const changes = entries.filter(({ action }) => action === 'organization.updated');
      const [end] = entries.filter(({ action }) => action === 'support_access_grant.revoked');
      expect(changes.length).toBe(outcomes.filter((each) => each === 'done').length);
      for (const { number, request } of changes) {
        expect(told.get(request)).toBeLessThan(number as number);
        expect(number).toBeLessThan(end?.number as number);
      }
      expect(told.size).toBe(55);
    }
  },
);

race(
  'of who comes in and who lets nobody in the first is first, and in the end nobody is in, in either order',
  async () => {
    for (const isDenialFirst of [true, false]) {
      const acme = await givenOrganization(server);
      const { sam } = await givenImpersonation(server, acme);
      const input = { organizationId: acme.id, userId: await personId(acme.viewer), reason: 'ticket 42: runs stay' };
      const steps = [() => acme.owner(ACCESS, { access: 'DENIED' }), () => sam(START, { input })];
      const answers = await inOrder<Answer>(organizationRow(acme.id), isDenialFirst ? steps : steps.toReversed());
      expect(answers.map(outcome)).toEqual(isDenialFirst ? ['done', 'FORBIDDEN'] : ['done', 'done']);
      const open = await sql('select from impersonation where org_id = $1 and ended_at is null', [acme.id]);
      expect(open).toEqual([]);
    }
  },
);

race(
  'a change that waits for a lock of its own while its grant is revoked is not made, or the revoking waits for it',
  async () => {
    const CHANGE = 'mutation ($id: ID!) { updateRepository(input: { id: $id, description: "helped" }) { id } }';
    for (const isRevokedFirst of [true, false]) {
      const acme = await givenOrganization(server);
      const grant = await givenGrant(acme, 'WRITE');
      const { acting } = await givenImpersonation(server, acme, { as: 'admin' });
      const { data } = await acme.owner('{ repositories { nodes { id } } }');
      const { id } = data.repositories.nodes[0];
      const beside = await connectBeside();
      try {
        await beside.query('begin');
        // The change holds no lock that revoking waits for: it waits for the row, or, once it was told, where it commits.
        if (isRevokedFirst) await beside.query('select from repository where id = $1 for update', [id]);
        else await beside.query('select from support_access_grant where id = $1 for key share', [grant]);
        const changed = acting(CHANGE, { id });
        if (isRevokedFirst) {
          await waits(beside);
          expect(outcome(await acme.owner(REVOKE, { id: grant }))).toBe('done');
        } else expect(outcome(await changed)).toBe('done');
        await beside.query('commit');
        expect(outcome(await changed)).toBe(isRevokedFirst ? 'READ_ONLY' : 'done');
        if (!isRevokedFirst) expect(outcome(await acme.owner(REVOKE, { id: grant }))).toBe('done');
        const told = await sql(
          `select from audit_entry where org_id = $1 and action = 'repository.updated' and target_id = $2`,
          [acme.id, id],
        );
        expect(told).toHaveLength(isRevokedFirst ? 0 : 1);
      } finally {
        await beside.end();
      }
    }
  },
);

race('nobody who shows somebody out and a change that was made under a grant wait for each other', async () => {
  for (const door of ['DENIED', 'REVOKED']) {
    const acme = await givenOrganization(server);
    if (door === 'REVOKED') await acme.owner(ACCESS, { access: 'ON_GRANT' });
    const grant = await givenGrant(acme, 'WRITE');
    const { acting, id: imp } = await givenImpersonation(server, acme, { as: 'admin' });
    const [first, second] = [await connected(), await connected()];
    try {
      const hold = (client: typeof first, table: string, id: string, how: string) =>
        client.query(`select from ${table} where org_id = $1 and id = $2 ${how}`, [acme.id, id]);
      // What is told holds the access first, and then waits for the grant.
      await first.query('begin');
      await hold(first, 'support_access_grant', grant, 'for update');
      const changed = acting(
        'mutation { createRepository(input: { name: "x", gitUrl: "https://git.example/x" }) { id } }',
      );
      await waits(second);
      await expect(hold(second, 'impersonation', imp, 'for update nowait')).rejects.toMatchObject({ code: '55P03' });
      await first.query('commit');
      expect(outcome(await changed)).toBe('done');
      // As such a change, between the two.
      await first.query('begin');
      await hold(first, 'impersonation', imp, 'for share');
      const shownOut = door === 'DENIED' ? acme.owner(ACCESS, { access: 'DENIED' }) : acme.owner(REVOKE, { id: grant });
      await waits(second);
      await hold(first, 'support_access_grant', grant, 'for share');
      await first.query('commit');
      expect([door, outcome(await shownOut)]).toEqual([door, 'done']);
      const left = await sql('select from support_access_grant where org_id = $1 and revoked_at is null', [acme.id]);
      expect([left, codeOf(await acting('{ viewer { role } }'))]).toEqual([[], 'UNAUTHENTICATED']);
    } finally {
      for (const each of others.splice(0)) await each.end();
    }
  }
});

race('whoever revokes a grant waits for the change that was made under it', async () => {
  const acme = await givenOrganization(server);
  const grant = await givenGrant(acme, 'WRITE');
  const { id: imp } = await givenImpersonation(server, acme, { as: 'admin' });
  const beside = await connectBeside();
  try {
    await beside.query('begin');
    // As the gateway does it, but not committed yet.
    const act = { kind: 'PERSON', id: 'usr_sam', name: 'Sam', onBehalfOf: 'usr_0', impersonationId: imp };
    await beside.query(
      `select set_config('role', 'orgate_app', true), set_config('app.org_id', $1, true),
      set_config('app.act', $2, true)`,
      [acme.id, JSON.stringify(act)],
    );
    await beside.query(`update repository set description = 'helped' where org_id = $1`, [acme.id]);
    const revoked = acme.owner(REVOKE, { id: grant });
    await waits(await connected());
    await beside.query('commit');
    expect(outcome(await revoked)).toBe('done');
    const entries = await sql(
      `select action from audit_entry where org_id = $1 and action in ('repository.updated', 'support_access_grant.revoked')
       order by number`,
      [acme.id],
    );
    expect(entries.map(({ action }) => action)).toEqual(['repository.updated', 'support_access_grant.revoked']);
  } finally {
    await beside.end();
    for (const each of others.splice(0)) await each.end();
  }
});

race('an administrator who is demoted while they come in is not in, in either order', async () => {
  for (const isDemotedFirst of [true, false]) {
    const acme = await givenOrganization(server);
    const { sam, samId } = await givenImpersonation(server, acme);
    const input = { organizationId: acme.id, userId: await personId(acme.viewer), reason: 'ticket 42: runs stay' };
    const demote = () => sql(`update person set system_role = 'USER' where id = $1`, [samId]);
    const row = organizationRow(acme.id);
    const begin = () => sam(START, { input });
    if (isDemotedFirst) {
      const [answer] = await inOrder<Answer>(row, [begin], () => demote());
      expect(['FORBIDDEN', 'UNAUTHENTICATED', 'done']).toContain(outcome(answer as Answer));
    } else {
      expect(outcome(await begin())).toBe('done');
      await demote();
    }
    await sql(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [samId]);
    const open = await sql('select from impersonation where org_id = $1 and ended_at is null', [acme.id]);
    expect(open).toEqual([]);
  }
});

const others: Awaited<ReturnType<typeof connectBeside>>[] = [];
async function connected() {
  const made = await connectBeside();
  others.push(made);
  return made;
}

/** Until somebody waits for a lock. */
async function waits(client: Awaited<ReturnType<typeof connectBeside>>): Promise<void> {
  for (;;) {
    await client.query('select pg_stat_clear_snapshot()');
    const { rowCount } = await client.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if ((rowCount ?? 0) > 0) return;
  }
}
