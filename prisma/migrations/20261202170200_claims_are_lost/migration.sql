-- Who may work on what they claimed no longer has it no more, also once they may again: what was only looked at when a token came, or by the round that
-- looks for lost runs, came back with them. A lease that was taken back ended long ago, and its attempt does not count.

-- Whoever owns the tables takes the directory's role for as long, or reaches nothing.
create function claims_are_lost() returns trigger language plpgsql as $$
declare
  was constant text := current_setting('role');
  is_apart constant boolean := current_user not in ('orgate_app', 'orgate_directory')
    and pg_has_role(current_user, 'orgate_directory', 'MEMBER');
begin
  if is_apart then perform set_config('role', 'orgate_directory', true); end if;
  if tg_table_name = 'organization' then
    update public.run_claim set expires_at = 'epoch' where org_id = to_jsonb(new) ->> 'id' and executor_id is not null and ended_at is null;
  elsif tg_table_name = 'person' then
    update public.run_claim set expires_at = 'epoch' where ended_at is null and (org_id, claimed_by) in (
      select m.org_id, m.user_id from public.membership m where m.user_id = to_jsonb(new) ->> 'id');
  else
    update public.run_claim c set expires_at = 'epoch'
    from members_now n join members_before b on b.org_id = n.org_id and b.user_id = n.user_id
    where c.org_id = n.org_id and c.claimed_by = n.user_id and c.ended_at is null
      -- As src/domains/run/outside.ts decides who holds `run:claim`.
      and b.status = 'ACTIVE' and (n.status <> 'ACTIVE' or n.joined_at is distinct from b.joined_at
        or 'run:claim' = any (n.withheld) or not (n.role in ('OWNER', 'ADMIN') or 'run:claim' = any (n.granted)));
  end if;
  if is_apart then perform set_config('role', was, true); end if;
  return null;
end $$;
-- Once for all that a directory changes together: for each of 50,000 it took a minute.
create trigger claims_are_lost after update on membership referencing old table as members_before new table as members_now
  for each statement execute function claims_are_lost();
create trigger claims_are_lost after update of status on person for each row
  when (old.status = 'ACTIVE' and new.status <> 'ACTIVE') execute function claims_are_lost();
create trigger claims_are_lost after update of settings on organization for each row
  when (new.settings ->> 'agentExecution.executors' = 'OWN' and old.settings ->> 'agentExecution.executors' is distinct from 'OWN')
  execute function claims_are_lost();
