-- What whoever acts is called in an organization, where their act does not say it.
create function orgate_called(org text, act jsonb) returns text
language sql stable
as $$
  select coalesce(act ->> 'name', case act ->> 'kind'
    when 'API_KEY' then (select name from public.api_key k where k.org_id = org and k.id = act ->> 'id')
    when 'DIRECTORY' then (select name from public.scim_directory d where d.org_id = org and d.id = act ->> 'id')
    else (select name from public.membership m where m.org_id = org and m.user_id = act ->> 'id')
  end)
$$;

-- Who comes into a group of a directory, and who goes: a group has up to 50,000, and a directory sends them at once. So what a
-- statement did is told by the hundred, and not row by row.
create function orgate_write_group_members() returns trigger
language plpgsql
as $$
declare
  act constant jsonb := nullif(current_setting('app.act', true), '');
begin
  if act is null and current_user not in ('orgate_app', 'orgate_directory') then return null; end if;
  if not exists (select from changed) then return null; end if;
  if act is null then
    raise exception using errcode = 'OG001', message = format('a change of %s tells nobody who makes it', tg_table_name);
  end if;
  with placed as (
    select c.org_id, c.group_id, coalesce(u.user_id, c.scim_user_id) as user_id,
      (row_number() over (partition by c.org_id, c.group_id order by c.scim_user_id) - 1) / 100 as hundred
    from changed c left join public.scim_user u on u.org_id = c.org_id and u.id = c.scim_user_id
  ), told as materialized (
    select org_id, group_id, jsonb_agg(user_id order by user_id) as users, nextval('public.audit_number') as number
    from placed group by org_id, group_id, hundred
  ), entries as (
    insert into public.audit_entry (org_id, number, actor_kind, actor_id, actor_name, on_behalf_of, action, target_type,
      target_id, target_name, changes, reason, request_id, address)
    select t.org_id, t.number, act ->> 'kind', act ->> 'id', public.orgate_called(t.org_id, act), act ->> 'onBehalfOf', 'scim_group.' || tg_argv[0], 'scim_group', t.group_id, g.display_name,
      jsonb_build_object('members', case tg_op when 'INSERT' then jsonb_build_array(null, t.users)
        else jsonb_build_array(t.users, null) end),
      act ->> 'reason', act ->> 'requestId', act ->> 'address'
    from told t left join public.scim_group g on g.org_id = t.org_id and g.id = t.group_id
  )
  insert into public.audit_unsealed (org_id, number) select org_id, number from told;
  return null;
end $$;

create trigger record_created after insert on scim_group_member referencing new table as changed
  for each statement execute function orgate_write_group_members('members_added');
create trigger record_deleted after delete on scim_group_member referencing old table as changed
  for each statement execute function orgate_write_group_members('members_removed');
