/** How many entries the large record has. */
export const ENTRIES = 10_000_000;

/** Who and what is asked for by the cases below. */
export const IN_LARGE = {
  // Two fifths of all, a third, and a hundred in the first year.
  person: 'usr_much',
  key: 'key_much',
  fewPerson: 'usr_few',
  muchTarget: 'rep_much',
  fewTarget: 'rep_few',
};

/**
 * Two years of entries of one organization, beside those of others. Nothing is spread evenly: two actors have most of it and
 * share no action; what is rare, and what was refused, lies in the first year, so that whoever looks for it from the newest
 * on passes over millions.
 *
 * @param {import('pg').Client} owner a superuser
 */
export async function fillRecord(owner, { orgId, entries }) {
  await owner.query('set session_replication_role = replica; set synchronous_commit = off');
  const { rows: indexes } = await owner.query(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
     where indrelid = 'audit_entry'::regclass and not indisprimary`,
  );
  for (const { name } of indexes) await owner.query(`drop index ${name}`);
  const half = entries / 2;
  await owner.query(
    `insert into audit_entry (org_id, number, id, at, actor_kind, actor_id, actor_name, action, outcome, target_type,
       target_id, target_name, changes, request_id, address)
     select case when k % 100 = 99 then 'org_other' || k % 7 else $1 end, 1000000 + k,
       'aud_' || md5(k::text), timestamptz '2024-12-01' + k * (interval '730 days' / ${entries}),
       case who when 1 then 'API_KEY' when 2 then 'SYSTEM' else 'PERSON' end,
       case who when 0 then 'usr_much' when 1 then 'key_much' when 2 then null when 3 then 'usr_few' else 'usr_' || k % 4987 end,
       'Somebody',
       case when k % 50000 = 3 and k < ${half} then 'api_key.revoked'
         when who = 1 then (array['run.created', 'run.running', 'run.succeeded'])[1 + k % 3]
         when who = 0 then (array['repository.updated', 'agent.updated'])[1 + k % 2]
         else (array['session.created', 'repository.created', 'membership.updated', 'agent.created', 'run.created', 'run.cancelled'])[1 + k % 6] end,
       case when k % 10000 = 7 and k < ${half} then 'REFUSED' else 'DONE' end, 'run',
       case when k % 10 = 1 then 'rep_much' when k % 100000 = 12 then 'rep_few' else 'run_' || md5((k / 3)::text) end,
       'A name',
       jsonb_build_object('description', jsonb_build_array('number ' || k, 'number ' || k + 1)),
       gen_random_uuid()::text, '192.0.2.' || k % 200
     from (
       select k, case when k % 10 < 4 then 0 when k % 10 < 7 then 1 when k % 10 = 7 then 2
         when k % 50000 = 8 and k < ${half} then 3 else 4 end as who
       from generate_series(1::bigint, ${entries}) as k
     ) as numbered`,
    [orgId],
  );
  await owner.query(`set maintenance_work_mem = '512MB'`);
  for (const { definition } of indexes) await owner.query(definition);
  // Its place in the chain is read of each entry that is shown; that they fit is not looked at here.
  const constraint = 'audit_seal_org_id_number_key';
  await owner.query(`alter table audit_seal drop constraint ${constraint}`);
  await owner.query(
    `insert into audit_seal (org_id, sequence, number, hash, salts)
     select org_id, number, number, id, '[]' from audit_entry where number > 1000000`,
  );
  await owner.query(`alter table audit_seal add constraint ${constraint} unique (org_id, number)`);
  await owner.query('set session_replication_role = origin; set synchronous_commit = on');
  await owner.query('vacuum (analyze) audit_entry');
  await owner.query('vacuum (analyze) audit_seal');
  await owner.query('checkpoint');
}

const MONTH = { from: '2025-06-01T00:00:00Z', before: '2025-07-01T00:00:00Z' };
const DAY = { from: '2026-11-01T00:00:00Z', before: '2026-11-02T00:00:00Z' };
const HALF = { from: '2025-12-01T00:00:00Z' };
const NEVER = { before: '2020-02-01T00:00:00Z' };

/** Filters that find much, little and nothing: each alone, and all pairs. */
export function filters() {
  const { person, key, fewPerson, muchTarget, fewTarget } = IN_LARGE;
  const sets = [
    [{}, { actorId: person }, { actorId: key }, { actorId: fewPerson }, { actorId: 'usr_nobody' }],
    [{}, ...['run.succeeded', 'repository.updated', 'api_key.revoked', 'domain.lapsed'].map((action) => ({ action }))],
    [{}, { targetId: muchTarget }, { targetId: fewTarget }, { targetId: 'rep_none' }],
    [{}, { outcome: { enum: 'DONE' } }, { outcome: { enum: 'REFUSED' } }],
    [{}, MONTH, DAY, HALF, NEVER],
  ];
  const all = sets.reduce((before, set) => before.flatMap((one) => set.map((more) => ({ ...one, ...more }))), [{}]);
  const count = (filter) => new Set(Object.keys(filter).map((name) => (name === 'before' ? 'from' : name))).size;
  return all.filter((filter) => count(filter) <= 2);
}
