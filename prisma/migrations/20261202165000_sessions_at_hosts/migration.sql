-- What somebody signed in at the host of an organization ends with the session that it came of: whoever signs out where they signed in is
-- signed out everywhere that led to. Null of those that came of none, and of those from before this was kept. Nothing of it is told: an
-- organization has no say in the session that the person has elsewhere.
alter table session add column source_id text;
create index session_source_id_open_idx on session (source_id) where ended_at is null;
call orgate_record('session', org_column => 'bound_org_id', secret => '{cookie_hash}', silent => '{last_used_at,user_agent,source_id}');

-- A statement of its own, which sees what was begun while this waited for the row: that holds it (`for share`).
create function orgate_ends_at_hosts() returns trigger
language plpgsql
as $$
begin
  update public.session set ended_at = new.ended_at, end_reason = new.end_reason
  where source_id = new.id and ended_at is null and expires_at > current_timestamp;
  return null;
end $$;
create trigger ends_at_hosts after update of ended_at on session
  for each row when (old.ended_at is null and new.ended_at is not null) execute function orgate_ends_at_hosts();
