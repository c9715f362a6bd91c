import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import pg from 'pg';
import { MIGRATIONS } from '../../../src/data/start/migrate-database.js';
import { migrate } from '../../../src/data/start/migrate.js';
import { isPostgres } from '../../support/server.js';

const MIGRATION = '20261129140000_due_work';

/** What waited before it, in each of the three places, and what did not. */
const WAITING = `
  set session_replication_role = replica;
  insert into organization (id, name, slug) values ('org_0', 'acme', 'acme');
  insert into membership (org_id, user_id, email, name, role, status) values ('org_0', 'usr_0', 'a@x', 'a', 'OWNER', 'ACTIVE');
  insert into outgoing_mail (org_id, id, sealed, invitation_id, attempts, next_attempt_at) values
    ('org_0', 'mal_0', 'old', 'inv_0', 2, now()), ('org_0', 'mal_1', 'new', 'inv_0', 0, now()), ('org_0', 'mal_2', 'other', null, 3, now());
  insert into organization_domain (org_id, id, name, status, challenge, held_name, next_check_at) values
    ('org_0', 'dom_0', 'held.example', 'VERIFIED', 'c', 'held.example', now()), ('org_0', 'dom_1', 'claimed.example', 'PENDING', 'c', null, null);
  insert into api_key (org_id, id, name, owner_id, permissions, secret_hash, last_four, created_by, created_at, expires_at, expiry_told_at)
  select 'org_0', 'key_' || name, name, 'usr_0', '{}', 'h', 'abcd', 'usr_0', now() - made * interval '1 day', now() + ends * interval '1 day', told
  from (values ('told', 80, 3, now()), ('over', 80, -3, null), ('short', 0, 3, null), ('ends', 10, 80, null)) as key (name, made, ends, told);`;

(isPostgres ? test : test.skip)(
  'what waited before is due, also where policies bind the owner of the database',
  async () => {
    const url = (user: string, database: string) =>
      Object.assign(new URL(process.env['ORGATE_TEST_URL'] ?? ''), {
        username: user,
        password: 'secret',
        pathname: database,
      });
    const [owner, name] = [`orgate_owner_${randomUUID().slice(0, 8)}`, `orgate_due_${randomUUID().slice(0, 8)}`];
    const admin = new pg.Client({ connectionString: process.env['ORGATE_TEST_URL'] });
    await admin.connect();
    await admin.query(`create role ${owner} login password 'secret' createrole`);
    await admin.query(`create database ${name} owner ${owner}`);
    const beside = Object.assign(new URL(process.env['ORGATE_TEST_URL'] ?? ''), { pathname: name });
    const inside = new pg.Client({ connectionString: beside.href });
    try {
      const earlier = await mkdtemp(path.join(tmpdir(), 'orgate-migrations-'));
      for (const each of (await readdir(MIGRATIONS)).filter((one) => one < MIGRATION))
        await cp(path.join(MIGRATIONS, each), path.join(earlier, each), { recursive: true });
      const connection = { connectionString: url(owner, name).href };
      await migrate(connection, earlier);
      await inside.connect();
      await inside.query(WAITING);
      await migrate(connection, MIGRATIONS);
      const { rows } = await inside.query('select id, kind, subject, payload, attempts from due_work order by id');
      const mail = (payload: object) =>
        JSON.stringify(payload)
          .replaceAll(/([:,])"/g, '$1 "')
          .replaceAll(':null', ': null');
      expect(rows).toEqual([
        {
          id: 'due_1',
          kind: 'mail',
          subject: 'inv_0',
          payload: mail({ id: 'mal_1', sealed: 'new', invitationId: 'inv_0' }),
          attempts: 0,
        },
        {
          id: 'due_2',
          kind: 'mail',
          subject: 'mal_2',
          payload: mail({ id: 'mal_2', sealed: 'other', invitationId: null }),
          attempts: 3,
        },
        { id: 'due_ends', kind: 'api-key-ends', subject: 'key_ends', payload: '{}', attempts: 0 },
      ]);
      const owed = await inside.query('select kind, subject from owed_work');
      expect(owed.rows).toEqual([{ kind: 'domain-check', subject: 'org_0/dom_0' }]);
    } finally {
      await inside.end();
      await admin.query(`drop database ${name} with (force)`);
      await admin.query(`drop role ${owner}`);
      await admin.end();
    }
  },
);
