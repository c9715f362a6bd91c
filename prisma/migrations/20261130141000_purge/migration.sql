-- The role that deletes organizations whose grace is over. The policies let it reach nothing else, whatever it is asked.
do $$
begin
  if not exists (select from pg_roles where rolname = 'orgate_purger') then
    begin
      create role orgate_purger nologin nosuperuser nobypassrls nocreatedb nocreaterole noinherit;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end if;
end $$;
grant usage on schema public to orgate_purger;

-- From when on it is not taken back any more, and how far its record has been erased.
alter table organization add column purge_began_at timestamptz(3);
alter table organization add column purged_to bigint not null default 0;
alter table organization add constraint organization_purge_began_at_check
  check (purge_began_at is null or status = 'PENDING_DELETION');
call orgate_record('organization', org_column => 'id',
  silent => '{lock_version,default_model,default_provider,external_agent_policy,purged_to}');

grant select (id, slug, status, purge_at, purge_began_at, purged_to), update (purged_to), delete on organization to orgate_purger;
create policy purge on organization for all to orgate_purger
  using (id = (select nullif(current_setting('app.org_id', true), ''))
    and status = 'PENDING_DELETION' and purge_began_at is not null and purge_at <= current_timestamp);

-- Whether the organization of the frame is over, as the purger sees it.
create function orgate_is_over() returns boolean
language sql stable
as $$
  select exists (select from public.organization where id = nullif(current_setting('app.org_id', true), ''))
$$;

-- What a table needs so that its rows can be deleted with their organization.
create procedure orgate_let_purge(purged text)
language plpgsql
set search_path = public, pg_temp
as $$
begin
  execute format('grant select, delete on %I to orgate_purger', purged);
  execute format(
    'create policy purge on %I for all to orgate_purger
       using (org_id = (select nullif(current_setting(''app.org_id'', true), '''')) and (select orgate_is_over()))',
    purged);
end $$;
revoke all on procedure orgate_let_purge(text) from public;

do $$
declare
  owned text;
begin
  for owned in
    select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'org_id'
  loop
    call orgate_let_purge(owned);
  end loop;
end $$;

-- Tables to come have it with their wall.
create or replace procedure orgate_isolate(isolated text, org_column text default 'org_id', is_recorded boolean default true)
language plpgsql
set search_path = public, pg_temp
as $$
begin
  call orgate_wall(isolated, org_column);
  if is_recorded then call orgate_record(isolated, org_column => org_column); end if;
  if org_column = 'org_id' then call orgate_let_purge(isolated); end if;
end $$;

-- Deleted runs are counted out.
grant insert, update on run_usage to orgate_purger;

-- Of the record nothing goes: what it says of people and things is erased, and the chain stays.
revoke delete on audit_entry, audit_seal, audit_unsealed from orgate_purger;
grant update (actor_id, actor_name, on_behalf_of, target_id, target_name, changes, reason, request_id, address)
  on audit_entry to orgate_purger;
grant update (salts) on audit_seal to orgate_purger;

-- A slug stays taken for some time when its organization is gone: as a name alone.
alter table address alter column org_id drop not null;
alter table address add constraint address_org_id_check check (org_id is not null or given_up_at is not null);
grant update (org_id, given_up_at) on address to orgate_purger;
create policy purge_leaves_names on address for all to orgate_purger using (org_id is null) with check (org_id is null);
create policy purge_deletes_domains on address as restrictive for delete to orgate_purger using (org_id is not null and kind = 'DOMAIN');

-- What is kept outside goes, too.
grant delete on identity to orgate_directory;
