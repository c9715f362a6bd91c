-- The first page of a record of ten million, whatever it is filtered by: each filter has an index in the order of time, and so has the
-- pair that is asked for most. Few are refused, so that those have an index that the others cost nothing.
create index audit_entry_org_id_action_at_idx on audit_entry (org_id, action, at);
create index audit_entry_org_id_actor_id_action_at_idx on audit_entry (org_id, actor_id, action, at);
create index audit_entry_refused_idx on audit_entry (org_id, at, id) where outcome = 'REFUSED';

-- Entries of one millisecond are listed by id: that they come in the order in which they were made, ids begin with the microsecond
-- (13 digits until 2112). The number would tell how much others do meanwhile.
alter table audit_entry alter column id set default
  'aud_' || to_hex((extract(epoch from clock_timestamp()) * 1000000)::bigint) || substr(replace(gen_random_uuid()::text, '-', ''), 14);
