/** How many entries the large record has. */
export const ENTRIES = 10_000_000;

/** Who and what is asked for by the cases below. */
export const IN_LARGE = {
  // Two fifths of all, a third, and a hundred in the first year; of targets a million, five thousand, and a hundred.
  person: 'usr_much',
  key: 'key_much',
  fewPerson: 'usr_few',
  muchTarget: 'rep_much',
  // A million, all of them by the key: nobody else has done anything to it, nor anything but what keys do.
  mostTarget: 'rep_most',
  fewTarget: 'rep_few',
};

/** So many are laid down by one statement. */
const AT_ONCE = 500_000;
/** Numbers of what the triggers have written are below. */
const FIRST = 1_000_000;

/**
 * Two years of entries of one organization, beside those of others. Nothing is spread evenly: two actors have most of it and
 * share no action; what is rare, and what was refused, lies in the first year, so that whoever looks for it from the newest
 * on passes over millions.
 *
 * Goes on where an earlier call came to, step by step.
 *
 * @param {import('pg').Client} owner a superuser
 * @param {{ orgId: string, entries: number, isTimeUp: () => boolean, say: (line: string) => void }} options
 * @returns {Promise<boolean>} whether all of it is there
 */
export async function fillRecord(owner, { orgId, entries, isTimeUp, say }) {
  await owner.query(
    `set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '512MB'`,
  );
  const { rows } = await owner.query(`select to_regclass('bench_index') is not null as "isBegun"`);
  if (!rows[0].isBegun) await begin(owner);
  const last = async (table) =>
    Number(
      (await owner.query(`select coalesce(max(number), ${FIRST}) as number from ${table} where org_id <> ''`)).rows[0]
        .number,
    );
  const laid = { audit_entry: layEntries, audit_seal: laySeals };
  for (const [table, lay] of Object.entries(laid)) {
    for (let at = await last(table); at < FIRST + entries; at = await last(table)) {
      if (isTimeUp()) return false;
      await lay(owner, { orgId, entries, from: at - FIRST + 1, to: Math.min(at - FIRST + AT_ONCE, entries) });
      say(`${table}: ${(await last(table)) - FIRST}`);
    }
  }
  for (const { name, definition } of (await owner.query('select * from bench_index order by name')).rows) {
    if (isTimeUp()) return false;
    if ((await owner.query('select to_regclass($1) as it', [name])).rows[0].it) continue;
    await owner.query(definition);
    say(name);
  }
  for (const table of Object.keys(laid)) {
    const { rows: vacuumed } = await owner.query(`select from bench_vacuumed where name = '${table}'`);
    if (vacuumed.length > 0) continue;
    if (isTimeUp()) return false;
    await owner.query(`vacuum (analyze) ${table}`);
    await owner.query('insert into bench_vacuumed values ($1)', [table]);
    say(`vacuumed ${table}`);
  }
  await owner.query('set session_replication_role = origin; set synchronous_commit = on');
  await owner.query('checkpoint');
  return true;
}

/** Without indexes and without a log of its own it takes a third of the time. */
async function begin(owner) {
  await owner.query(`
    truncate audit_entry, audit_seal, audit_unsealed;
    alter table audit_entry set unlogged, set (autovacuum_enabled = off);
    alter table audit_seal set unlogged, set (autovacuum_enabled = off);
    alter table audit_seal drop constraint audit_seal_org_id_number_key;
    create unique index audit_seal_org_id_number_key on audit_seal (org_id, number);
    create table bench_vacuumed (name text primary key);
    create table bench_index as
      select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
      where indrelid in ('audit_entry'::regclass, 'audit_seal'::regclass) and not indisprimary`);
  for (const { name } of (await owner.query('select name from bench_index')).rows)
    await owner.query(`drop index ${name}`);
}

const layEntries = (owner, { orgId, entries, from, to }) => {
  const half = entries / 2;
  return owner.query(
    `insert into audit_entry (org_id, number, id, at, actor_kind, actor_id, actor_name, action, outcome, target_type,
       target_id, target_name, changes, request_id, address)
     select case when k % 100 = 99 then 'org_other' || k % 7 else $1 end, ${FIRST} + k,
       'aud_' || md5(k::text), timestamptz '2024-12-01' + k * (interval '730 days' / ${entries}),
       case who when 1 then 'API_KEY' when 2 then 'SYSTEM' else 'PERSON' end,
       case who when 0 then 'usr_much' when 1 then 'key_much' when 2 then null when 3 then 'usr_few' else 'usr_' || k % 4987 end,
       'Somebody',
       case when k % 50000 = 3 and k < ${half} then 'api_key.revoked'
         when who = 1 then (array['run.created', 'run.running', 'run.succeeded'])[1 + k % 3]
         when who = 0 then (array['repository.updated', 'agent.updated'])[1 + k % 2]
         else (array['session.created', 'repository.created', 'membership.updated', 'agent.created', 'run.created', 'run.cancelled'])[1 + k % 6] end,
       case when k % 10000 = 7 and k < ${half} then 'REFUSED' else 'DONE' end, 'run',
       case when k % 2000 = 11 then 'rep_much' when k % 100000 = 12 then 'rep_few' when k % 10 = 6 then 'rep_most'
         else 'run_' || md5((k / 3)::text) end,
       'A name',
       jsonb_build_object('description', jsonb_build_array('number ' || k, 'number ' || k + 1)),
       gen_random_uuid()::text, '192.0.2.' || k % 200
     from (
       select k, case when k % 10 < 4 then 0 when k % 10 < 7 then 1 when k % 10 = 7 then 2
         when k % 50000 = 8 and k < ${half} then 3 else 4 end as who
       from generate_series(${from}::bigint, ${to}) as k
     ) as numbered`,
    [orgId],
  );
};

/** The place in the chain is read of each entry that is shown; that they fit is not looked at here. */
const laySeals = (owner, { from, to }) =>
  owner.query(
    `insert into audit_seal (org_id, sequence, number, hash, salts)
     select org_id, number, number, id, '[]' from audit_entry where number between $1 and $2`,
    [FIRST + from, FIRST + to],
  );

const MONTH = { from: '2025-06-01T00:00:00Z', before: '2025-07-01T00:00:00Z' };
const DAY = { from: '2026-11-01T00:00:00Z', before: '2026-11-02T00:00:00Z' };
const HALF = { from: '2025-12-01T00:00:00Z' };
const NEVER = { before: '2020-02-01T00:00:00Z' };

/** Filters that find much, little and nothing: each alone, and all pairs. */
export function filters() {
  const { person, key, fewPerson, muchTarget, mostTarget, fewTarget } = IN_LARGE;
  const sets = [
    [{}, { actorId: person }, { actorId: key }, { actorId: fewPerson }, { actorId: 'usr_nobody' }],
    [{}, ...['run.succeeded', 'repository.updated', 'api_key.revoked', 'domain.lapsed'].map((action) => ({ action }))],
    [{}, { targetId: muchTarget }, { targetId: mostTarget }, { targetId: fewTarget }, { targetId: 'rep_none' }],
    [{}, { outcome: { enum: 'DONE' } }, { outcome: { enum: 'REFUSED' } }],
    [{}, MONTH, DAY, HALF, NEVER],
  ];
  const all = sets.reduce((before, set) => before.flatMap((one) => set.map((more) => ({ ...one, ...more }))), [{}]);
  const count = (filter) => new Set(Object.keys(filter).map((name) => (name === 'before' ? 'from' : name))).size;
  return all.filter((filter) => count(filter) <= 2);
}
