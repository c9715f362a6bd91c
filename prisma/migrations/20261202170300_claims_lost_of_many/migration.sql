-- As before; and who lost the right is found by going through what changed once, whatever PostgreSQL takes it for. It knows nothing of how many there are,
-- and compared each claim with each of ten thousand members whom a directory changes at once: a thousand claims took longer than any statement may.
create or replace function claims_are_lost() returns trigger language plpgsql as $$
declare
  was constant text := current_setting('role');
  is_apart constant boolean := current_user not in ('orgate_app', 'orgate_directory')
    and pg_has_role(current_user, 'orgate_directory', 'MEMBER');
  lost record;
begin
  if is_apart then perform set_config('role', 'orgate_directory', true); end if;
  if tg_table_name = 'organization' then
    update public.run_claim set expires_at = 'epoch' where org_id = to_jsonb(new) ->> 'id' and executor_id is not null and ended_at is null;
  elsif tg_table_name = 'person' then
    update public.run_claim set expires_at = 'epoch' where ended_at is null and (org_id, claimed_by) in (
      select m.org_id, m.user_id from public.membership m where m.user_id = to_jsonb(new) ->> 'id');
  else
    for lost in
      select org_id, array_agg(user_id) as users from (
        select org_id, user_id from (
          select org_id, user_id, joined_at, true as is_before, status = 'ACTIVE' as may from members_before
          union all
          -- As src/domains/run/outside.ts decides who holds `run:claim`.
          select org_id, user_id, joined_at, false, status = 'ACTIVE' and 'run:claim' <> all (withheld)
            and (role in ('OWNER', 'ADMIN') or 'run:claim' = any (granted)) from members_now
        ) as changed
        group by org_id, user_id
        having bool_and(may) filter (where is_before) and (not bool_and(may) filter (where not is_before)
          or count(joined_at) = 1 or min(joined_at) <> max(joined_at))
      ) as each group by org_id
    loop
      -- Planned for these, as a set that is looked up, and not for any.
      execute 'update public.run_claim set expires_at = ''epoch'' where org_id = $1 and claimed_by = any ($2) and ended_at is null'
        using lost.org_id, lost.users;
    end loop;
  end if;
  if is_apart then perform set_config('role', was, true); end if;
  return null;
end $$;
