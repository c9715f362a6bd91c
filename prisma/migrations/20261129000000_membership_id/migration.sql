-- One id for a membership, so that clients' caches know it again: by person it would be another when an invitation is accepted,
-- and the same in two organizations. Random: it tells neither whose it is nor which came first.
alter table membership
  add column id text not null default 'mem_' || left(replace(gen_random_uuid()::text, '-', ''), 26),
  add constraint membership_org_id_id_key unique (org_id, id);
