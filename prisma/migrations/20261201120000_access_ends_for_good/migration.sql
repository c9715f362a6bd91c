-- Who acts as a member does so no longer from the moment that somebody is demoted, disabled, suspended, removed or signed out, or that
-- the organization is served no more: what only hid it would let it come back once that is undone.

grant update (ended_at) on impersonation to orgate_directory;
create policy directory_end on impersonation for update to orgate_directory using (true) with check (true);
create index impersonation_user_id_open_idx on impersonation (user_id) where ended_at is null;
create index impersonation_session_id_open_idx on impersonation (session_id) where ended_at is null;

-- What it belongs to may be any organization's, and the change at hand of none: it is the directory that ends it, by whom the change
-- is made. Whoever owns the tables is bound by their policies, too, and takes its role for as long; where they may not, they lift the force of
-- the policies, or reach nothing.
create function orgate_ends_access() returns trigger
language plpgsql
as $$
declare
  was constant text := current_setting('role');
  act constant text := current_setting('app.act', true);
  told jsonb := coalesce(nullif(act, '')::jsonb, '{"kind":"SYSTEM","name":"orgate"}');
  is_apart constant boolean := current_user not in ('orgate_app', 'orgate_directory')
    and pg_has_role(current_user, 'orgate_directory', 'MEMBER');
begin
  if is_apart then perform set_config('role', 'orgate_directory', true); end if;
  if current_user = 'orgate_directory' and not told ? 'name' then
    -- Who runs the deployment is nobody there, and called as the deployment calls them.
    told := told || jsonb_strip_nulls(jsonb_build_object('name', (select name from public.person where id = told ->> 'id')));
  end if;
  perform set_config('app.act', told::text, true);
  update public.impersonation i
  set ended_at = least(i.expires_at, greatest(i.created_at, clock_timestamp()))
  where i.ended_at is null and i.expires_at > clock_timestamp() and case tg_table_name
    when 'membership' then i.org_id = to_jsonb(new) ->> 'org_id' and i.user_id = to_jsonb(new) ->> 'user_id'
    when 'organization' then i.org_id = to_jsonb(new) ->> 'id'
    when 'session' then i.session_id = to_jsonb(new) ->> 'id'
    else i.actor_id = to_jsonb(new) ->> 'id' or i.user_id = to_jsonb(new) ->> 'id' end;
  perform set_config('app.act', coalesce(act, ''), true);
  if is_apart then perform set_config('role', was, true); end if;
  return null;
end $$;
create trigger access_ends after update of status, joined_at on membership
  for each row when (old.status = 'ACTIVE' and (new.status <> 'ACTIVE' or new.joined_at is distinct from old.joined_at))
  execute function orgate_ends_access();
create trigger access_ends after update of status, system_role on person
  for each row when (new.status <> old.status or new.system_role <> old.system_role) execute function orgate_ends_access();
create trigger access_ends after update of status on organization
  for each row when (old.status = 'ACTIVE' and new.status <> 'ACTIVE') execute function orgate_ends_access();
create trigger access_ends after update of ended_at on session
  for each row when (old.ended_at is null and new.ended_at is not null) execute function orgate_ends_access();

-- What is over already, and was hidden only. Where the owner may not do that it ends by itself, within the hour.
do $$
begin
  if not pg_has_role(current_user, 'orgate_directory', 'MEMBER') then return; end if;
  execute 'set local role orgate_directory';
  perform set_config('app.act', '{"kind":"SYSTEM","name":"orgate"}', true);
  update impersonation i set ended_at = least(i.expires_at, greatest(i.created_at, clock_timestamp()))
  where i.ended_at is null and i.expires_at > clock_timestamp() and (
    not exists (select from person a where a.id = i.actor_id and a.status = 'ACTIVE' and a.system_role = 'SYSTEM_ADMIN')
    or not exists (select from membership m where m.org_id = i.org_id and m.user_id = i.user_id and m.status = 'ACTIVE'));
  perform set_config('app.act', '', true);
  execute 'reset role';
end $$;

-- What somebody changes for a member is changed under the grant: whoever takes that back waits until it is committed, or it is refused.
-- It is asked where the change is told, in the statement that makes it.
create function orgate_changes_under_grant() returns trigger
language plpgsql
as $$
declare
  acting constant text := nullif(current_setting('app.act', true), '')::jsonb ->> 'impersonationId';
begin
  if acting is null or current_user <> 'orgate_app' then return new; end if;
  perform from public.impersonation i where i.org_id = new.org_id and i.id = acting and i.ended_at is null
    and i.expires_at > clock_timestamp() for share;
  if found then
    perform from public.support_access_grant g where g.org_id = new.org_id and g.scope = 'WRITE' and g.revoked_at is null
      and g.expires_at > clock_timestamp() order by g.expires_at desc limit 1 for share;
  end if;
  if not found then
    raise exception using errcode = 'OG004', message = 'whoever acts as a member may change nothing any more';
  end if;
  return new;
end $$;
create trigger changes_under_grant before insert on audit_entry
  for each row when (new.on_behalf_of is not null) execute function orgate_changes_under_grant();
