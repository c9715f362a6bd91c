import { beforeAll, describe, expect, test } from '@jest/globals';
import { REAL_TIME } from '../../../src/context/deployment.js';
import type { Frame } from '../../../src/data/connection/frame.js';
import { asLoginRole, inFrame } from '../../../src/data/connection/org-connection.js';
import type { Outside } from '../../../src/data/connection/outside.js';
import { openEntryWriter, openSealing } from '../../../src/domains/audit-entry/outside.js';
import type { OrgId } from '../../../src/data/id.js';
import { lintCatalogue } from '../../../src/data/start/catalogue-lint.js';
import { PURGE } from '../../../src/domains/purge/index.js';
import { openPurging } from '../../../src/domains/purge/outside.js';
import { openSessions } from '../../../src/identity/sessions.js';
import { openOwedWork } from '../../../src/jobs/outside.js';
import { Parts } from '../../../src/parts.js';
import { byTest } from '../../support/act.js';
import { openReplica } from '../../support/due-work.js';
import { givenEverything } from '../../support/given-everything.js';
import { type GivenOrganization, givenOrganization, personId, unique } from '../../support/given.js';
import { eventually } from '../../support/mail.js';
import { connectBeside } from '../../races/interleave.js';
import { type Client, codeOf, isPostgres, useServer, withoutRequestId } from '../../support/server.js';

const server = useServer();
let sam: Client;
beforeAll(async () => {
  sam = await server.as(`${unique('sam')}@orgate.example`);
  await sql(`update person set system_role = 'SYSTEM_ADMIN' where id = $1`, [await personId(sam)]);
});

const sql = async (text: string, values: unknown[] = []) =>
  (await server.database.pool.queryAsLoginRole(text, values)).rows as Record<string, unknown>[];

const deployment = (outside: Outside = server.database.outside) => {
  const { organizationDb, pool } = server.database;
  const { use } = new Parts().add(REAL_TIME, () => pool.clock.real());
  return { outside, organizationDb, now: () => pool.clock.now(), use };
};

const purge = async (id: string, outside?: Outside): Promise<unknown> =>
  PURGE.run({ subject: id, signal: new AbortController().signal, settle: async () => true }, deployment(outside));

/** An organization with one of everything, whose grace is over. */
async function givenOver(name = 'acme') {
  const acme = await givenEverything(server, await givenOrganization(server, name));
  const ownerId = await personId(acme.owner);
  const session = { personId: ownerId, provider: acme.identityProviderId, boundOrgId: acme.id, userAgent: 'canary' };
  const { sessionId } = await server.database.outside(openSessions).start(session);
  await server.database.outside(openSessions).issueRefreshToken(sessionId);
  await sql(`insert into identity (issuer, subject, person_id) values ('urn:orgate:provider:' || $1, 'x', $2)`, [
    acme.identityProviderId,
    ownerId,
  ]);
  await sql('update person set default_org_id = $1 where id = $2', [acme.id, ownerId]);
  await acme.owner('mutation ($confirm: String!) { requestOrganizationDeletion(confirm: $confirm) { id } }', {
    confirm: acme.slug,
  });
  await sql(`update organization set purge_at = now() - interval '1 minute' where id = $1`, [acme.id]);
  return { ...acme, ownerId };
}

/** By table, how many rows it has of an organization. */
async function rowsOf(id: string): Promise<Record<string, number>> {
  const tables = await sql(
    `select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'org_id' order by 1`,
  );
  const each = tables.map(
    ({ name }) => `select '${String(name)}' as name, count(*)::int as count from "${String(name)}" where org_id = $1`,
  );
  // Where there are many rows PostgreSQL counts several tables at a time, and answers as they come.
  const counted = await sql(`${each.join(' union all ')} order by name`, [id]);
  return Object.fromEntries(counted.filter(({ count }) => count !== 0).map(({ name, count }) => [name, Number(count)]));
}

const verify = (id: string) =>
  sam('query ($id: ID) { verifyAuditChain(organizationId: $id) { ok checked problem } }', { id });

describe('Once the grace of an organization is over', () => {
  let acme: Awaited<ReturnType<typeof givenOver>>;
  let globex: GivenOrganization;
  let before: unknown;
  const wholeOf = (id: string) =>
    sql('select to_jsonb(o) - $2::text as row from organization o where id = $1', [id, 'lock_version']);
  beforeAll(async () => {
    globex = await givenEverything(server, await givenOrganization(server, 'globex'));
    acme = await givenOver();
    before = [await rowsOf(globex.id), await wholeOf(globex.id)];
    expect(Object.keys(await rowsOf(acme.id)).length).toBeGreaterThan(15);
    await purge(acme.id);
  });

  test('no row of it is left in any table but the chain, and nothing of another is gone', async () => {
    const left = await rowsOf(acme.id);
    expect(Object.keys(left)).toEqual(['audit_entry', 'audit_seal']);
    expect(left['audit_entry']).toBe(left['audit_seal']);
    expect(await sql('select from organization where id = $1', [acme.id])).toEqual([]);
    const outside = await sql(
      `select 'session' from session where bound_org_id = $1 union all select 'person' from person where default_org_id = $1
       union all select 'identity' from identity where person_id = $2 and issuer like 'urn:orgate:provider:%'`,
      [acme.id, acme.ownerId],
    );
    expect(outside).toEqual([]);
    expect([await rowsOf(globex.id), await wholeOf(globex.id)]).toEqual(before);
  });

  test('nothing names it any more, in whatever column of whatever table, but its record and its slug', async () => {
    const tables = await sql(
      `select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1`,
    );
    const naming = tables.map(
      ({ name }) => `select '${String(name)}' as name, to_jsonb(t) as row from "${String(name)}" t`,
    );
    const found = await sql(
      `select distinct name, row ->> 'org_id' as org, row ->> 'kind' as kind, split_part(row ->> 'action', '.', 1) as of
       from (${naming.join(' union all ')}) every_row where row::text like any ($1)`,
      [[acme.id, acme.identityProviderId].map((each) => `%${each}%`)],
    );
    const isOfChain = ({ name, org }: Record<string, unknown>) =>
      (name === 'audit_entry' || name === 'audit_seal') && org === acme.id;
    // That it is owed goes with the work, and that people were known by its provider, and had it as their
    // default, stands in the record of the deployment.
    const others = found.filter((each) => !isOfChain(each));
    for (const each of others) {
      expect([
        { name: 'owed_work', org: null, kind: 'purge', of: null },
        { name: 'audit_entry', org: '', kind: null, of: 'identity' },
        { name: 'audit_entry', org: '', kind: null, of: 'person' },
      ]).toContainEqual(each);
    }
  });

  test('its record says what was done, and when, and of nobody and nothing', async () => {
    const entries = await sql(
      'select to_jsonb(e)::text as text, action from audit_entry e where org_id = $1 order by number',
      [acme.id],
    );
    const whole = entries.map(({ text }) => text).join('\n');
    for (const canary of [acme.slug, 'canary', 'acme Inc.', acme.ownerId, acme.agentId, '127.0.0.1', '@']) {
      expect(whole).not.toContain(canary);
    }
    const actions = entries.map(({ action }) => action);
    expect(actions).toEqual(
      expect.arrayContaining(['organization.created', 'run.created', 'organization.pending_deletion']),
    );
    const told = await sql(
      `select target_type from audit_entry where org_id = $1 and action = 'organization.purged' order by number`,
      [acme.id],
    );
    const steps = told.map(({ target_type }) => String(target_type));
    expect(steps.slice(0, 2)).toEqual(['session', 'data_key']);
    expect(steps.slice(-2)).toEqual(['audit_entry', 'organization']);
    expect(new Set(steps).size).toBe(steps.length);
    expect(steps).toEqual(expect.arrayContaining(['run', 'agent', 'repository', 'membership']));
    expect(steps.indexOf('run')).toBeLessThan(steps.indexOf('membership'));
  });

  test('the chain verifies for a SYSTEM_ADMIN, and for nobody else', async () => {
    const { data } = await verify(acme.id);
    const count = (await rowsOf(acme.id))['audit_seal'];
    expect(data.verifyAuditChain).toEqual({ ok: true, checked: count, problem: null });
    const asked = 'query ($id: ID) { verifyAuditChain(organizationId: $id) { ok } }';
    for (const id of [acme.id, globex.id, unique('org')]) {
      expect(codeOf(await globex.owner(asked, { id }))).toBe('FORBIDDEN');
    }
    for (const id of [`org_${'0'.repeat(26)}`, acme.slug, '']) expect(codeOf(await verify(id))).toBe('NOT_FOUND');
    await sql(`update audit_entry set action = 'run.deleted' where org_id = $1 and action = 'run.created'`, [acme.id]);
    expect((await verify(acme.id)).data.verifyAuditChain?.ok).toBe(false);
  });

  test('it is as if it had never been, but that its slug stays taken', async () => {
    const ask = (slug: string) => acme.owner('{ viewer { role } }', {}, { 'x-organization-id': slug });
    const never = await ask(unique('never'));
    for (const name of [acme.slug, acme.id]) expect(withoutRequestId(await ask(name))).toBe(withoutRequestId(never));
    const create = (slug: string) =>
      globex.owner('mutation ($slug: String!) { createOrganization(input: { name: "New", slug: $slug }) { slug } }', {
        slug,
      });
    const [purged, taken] = [await create(acme.slug), await create(globex.slug)];
    expect(codeOf(purged)).toBe('CONFLICT');
    expect(withoutRequestId(purged)).toBe(withoutRequestId(taken));
    expect(await sql('select org_id, kind from address where name = $1', [acme.slug])).toEqual([
      { org_id: null, kind: 'SLUG' },
    ]);
    await sql(`update address set given_up_at = now() - interval '181 days' where name = $1`, [acme.slug]);
    expect((await create(acme.slug)).errors).toEqual([]);
  });

  test('doing it once more does nothing', async () => {
    const left = await rowsOf(acme.id);
    await purge(acme.id);
    expect(await rowsOf(acme.id)).toEqual(left);
  });
});

test('of an organization that is there, its record tells that a SYSTEM_ADMIN looked, once a day', async () => {
  const acme = await givenOrganization(server);
  await server.database.outside(openSealing).seal(acme.id, 100);
  for (let look = 0; look < 2; look += 1) expect((await verify(acme.id)).data.verifyAuditChain?.ok).toBe(true);
  const told = await sql(
    `select actor_id, actor_name from audit_entry where org_id = $1 and action = 'audit.verified'`,
    [acme.id],
  );
  expect(told).toEqual([{ actor_id: await personId(sam), actor_name: sam.email.split('@')[0] }]);
});

test('what waits still is looked at again when it is over, and what was taken back is left alone', async () => {
  const acme = await givenOver();
  const purgeAt = new Date(Date.now() + 86_400_000);
  await sql('update organization set purge_at = $2 where id = $1', [acme.id, purgeAt]);
  expect(await purge(acme.id)).toEqual({ again: purgeAt });
  await acme.owner('mutation { cancelOrganizationDeletion { id } }');
  const rows = await rowsOf(acme.id);
  expect(await purge(acme.id)).toBeUndefined();
  expect({ ...(await rowsOf(acme.id)), audit_unsealed: 0, audit_seal: 0 }).toEqual({
    ...rows,
    audit_unsealed: 0,
    audit_seal: 0,
  });
});

describe('What comes to the record of an organization while it ends', () => {
  const entry = { act: byTest, action: 'run.read', outcome: 'REFUSED', targetName: 'canary of late' } as const;
  const spokenOf = async (id: string) =>
    (await sql(`select from audit_entry e where org_id = $1 and e::text like '%canary%'`, [id])).length;

  test('is erased as all before it', async () => {
    const acme = await givenOver();
    let ends = 0;
    const meanwhile: Outside = (open) => {
      const opened = server.database.outside(open) as object;
      if ((open as unknown) !== openPurging) return opened as never;
      return {
        ...opened,
        finish: async (id: OrgId) => {
          ends += 1;
          if (ends < 3) await server.database.outside(openEntryWriter)(id, [entry]);
          return (opened as ReturnType<typeof openPurging>).finish(id);
        },
      } as never;
    };
    await purge(acme.id, meanwhile);
    expect(ends).toBe(3);
    expect(Object.keys(await rowsOf(acme.id))).toEqual(['audit_entry', 'audit_seal']);
    expect(await spokenOf(acme.id)).toBe(0);
    expect((await verify(acme.id)).data.verifyAuditChain?.ok).toBe(true);
    await server.database.outside(openEntryWriter)(acme.id, [entry]);
    expect(await spokenOf(acme.id)).toBe(0);
  });

  (isPostgres ? test : test.skip)('is waited for where it is on its way', async () => {
    const acme = await givenOver();
    const writer = await connectBeside();
    await writer.query('begin');
    expect((await writer.query('select orgate_takes_entries($1) as takes', [acme.id])).rows).toEqual([{ takes: true }]);
    const purging = purge(acme.id);
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`;
    await eventually(async () => ((await sql(waiting)).length > 0 ? true : undefined));
    await writer.query(
      `with told as (insert into audit_entry (org_id, actor_kind, actor_name, action) values ($1, 'SYSTEM', 'canary', 'run.read') returning number)
       insert into audit_unsealed (org_id, number) select $1, number from told`,
      [acme.id],
    );
    await writer.query('commit');
    await writer.end();
    await purging;
    expect(await spokenOf(acme.id)).toBe(0);
    expect(Object.keys(await rowsOf(acme.id))).toEqual(['audit_entry', 'audit_seal']);
  });
});

test('nothing that serves requests brings it forward, begins it before its time, or ends what has begun', async () => {
  const acme = await givenOrganization(server);
  const db = server.database.organizationDb(acme.id, byTest);
  const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000);
  const refuses = (change: object) => expect(db.organization.update({}, change)).rejects.toThrow();
  await refuses({ status: 'PENDING_DELETION', purgeAt: inHours(1) });
  const purgeAt = inHours(48);
  await db.organization.update({}, { status: 'PENDING_DELETION', purgeAt });
  await refuses({ purgeAt: inHours(47) });
  await refuses({ purgeBeganAt: new Date() });
  await refuses({ purgeBeganAt: new Date(), purgeAt: inHours(-1) });
  await db.organization.update({}, { purgeAt: inHours(72) });
  await db.organization.update({}, { status: 'ACTIVE', purgeAt: null });
  await sql(
    `update organization set status = 'PENDING_DELETION', purge_at = now() - interval '1 second' where id = $1`,
    [acme.id],
  );
  await db.organization.update({}, { purgeBeganAt: new Date() });
  await refuses({ purgeBeganAt: null });
  await refuses({ purgeBeganAt: inHours(1) });
  await refuses({ status: 'ACTIVE', purgeAt: null, purgeBeganAt: null });
});

test('wherever it is interrupted, it ends the same', async () => {
  for (let at = 1, isOver = false; !isOver; at += 7) {
    const acme = await givenOver();
    let calls = 0;
    const failing: Outside = (open) => {
      const opened = server.database.outside(open) as object;
      if ((open as unknown) !== openPurging) return opened as never;
      return new Proxy(opened, {
        get: (target, name) => {
          const act = Reflect.get(target, name) as (...args: unknown[]) => unknown;
          return (...args: unknown[]) => {
            calls += 1;
            if (calls === at) throw new Error('killed');
            return act(...args);
          };
        },
      }) as never;
    };
    isOver = await purge(acme.id, failing).then(
      () => true,
      () => false,
    );
    if (!isOver) await purge(acme.id);
    expect(Object.keys(await rowsOf(acme.id))).toEqual(['audit_entry', 'audit_seal']);
    expect((await verify(acme.id)).data.verifyAuditChain?.ok).toBe(true);
    const told = await sql(`select target_type from audit_entry where org_id = $1 and action = 'organization.purged'`, [
      acme.id,
    ]);
    expect(new Set(told.map(({ target_type }) => target_type)).size).toBe(told.length);
  }
});

describe('The role that deletes organizations', () => {
  const as = (orgId: GivenOrganization['id'], text: string, values: unknown[] = []) => {
    const frame: Frame = { role: 'orgate_purger', orgId };
    return inFrame(frame, () => server.database.pool.query({ text, values }));
  };

  test('reaches nothing of an organization whose grace is not over', async () => {
    const [active, waiting, unbegun] = [await givenOrganization(server), await givenOver(), await givenOver()];
    await sql(`update organization set purge_at = now() + interval '1 hour', purge_began_at = now() where id = $1`, [
      waiting.id,
    ]);
    for (const { id } of [active, waiting, unbegun]) {
      for (const table of ['run', 'membership', 'repository', 'audit_entry', 'address', 'organization']) {
        const { rows } = await as(
          id,
          `select * from ${table === 'organization' ? '(select id from organization) o' : table}`,
        );
        // The names of what is gone are nobody's.
        expect(rows.filter((row) => row['org_id'] !== null)).toEqual([]);
      }
      for (const table of ['run', 'agent', 'organization']) {
        expect((await as(id, `delete from ${table}`)).rowCount).toBe(0);
      }
      expect(await server.database.outside(openPurging).finish(id)).toBe(false);
      expect((await sql('select from run where org_id = $1', [id])).length).toBe(1);
      expect((await sql('select from address where org_id = $1', [id])).length).toBeGreaterThan(0);
    }
  });

  test('nor anything of another than the one of its frame, and writes nothing', async () => {
    const [acme, globex] = [await givenOver(), await givenOver('globex')];
    for (const { id } of [acme, globex])
      await sql('update organization set purge_began_at = now() where id = $1', [id]);
    expect((await as(acme.id, 'delete from run where org_id <> $1', [acme.id])).rowCount).toBe(0);
    await expect(as(acme.id, `update repository set name = 'x'`)).rejects.toMatchObject({ code: '42501' });
    await expect(as(acme.id, 'delete from audit_entry')).rejects.toMatchObject({ code: '42501' });
    await expect(as(acme.id, 'delete from person')).rejects.toMatchObject({ code: '42501' });
    await expect(as(acme.id, `update audit_entry set action = 'x'`)).rejects.toMatchObject({ code: '42501' });
    expect((await as(acme.id, `delete from address where kind = 'SLUG'`)).rowCount).toBe(0);
    expect((await sql('select from run where org_id = $1', [globex.id])).length).toBe(1);
  });

  test('has its policy in every table with org_id, or the doctor says which lacks it', async () => {
    const lint = () => lintCatalogue((text, values) => server.database.pool.queryAsLoginRole(text, values));
    const rule = (results: Awaited<ReturnType<typeof lint>>) =>
      results.find((each) => each.rule.includes('orgate_purger,'));
    expect(rule(await lint())?.broken).toEqual([]);
    const client = await server.database.pool.connect();
    const ask = (text: string, values?: unknown[]) => client.query(asLoginRole(text, values));
    try {
      await ask('begin');
      await ask('drop policy purge on join_request');
      await ask('create policy more on invitation for select to orgate_purger using (true)');
      const found = rule(await lintCatalogue((text, values) => ask(text, values)))?.broken;
      expect(found).toEqual([expect.stringContaining('join_request'), 'invitation.more']);
    } finally {
      await ask('rollback');
      client.release();
    }
  });
});

test('what is owed is done by the queue', async () => {
  const acme = await givenOver();
  await server.database.pool.queryAsLoginRole('delete from owed_work where kind = $1 and subject <> $2', [
    'purge',
    acme.id,
  ]);
  expect(await sql('select kind from owed_work where subject = $1', [acme.id])).toEqual([{ kind: 'purge' }]);
  await server.database.organizationDb(acme.id, byTest).transaction(async () => {
    await server.database.outside(openOwedWork).owe(PURGE, acme.id, new Date(0));
  });
  const replica = openReplica(server, {
    owed: [PURGE],
    parts: new Parts().add(REAL_TIME, () => server.database.pool.clock.real()),
  });
  await replica.workOff();
  expect(replica.ended.map(({ kind, outcome }) => [kind, outcome])).toEqual([['purge', 'done']]);
  expect(Object.keys(await rowsOf(acme.id))).toEqual(['audit_entry', 'audit_seal']);
  expect(await sql('select from owed_work where subject = $1', [acme.id])).toEqual([]);
});
