-- The record: who did what, written by the database itself with every change. What changes a row without saying who does
-- it is refused; so nothing that has the trigger can be changed unrecorded, by whatever door.

-- Seals entries, and does nothing else. Two databases that migrate at once may race here.
do $$
begin
  if not exists (select from pg_roles where rolname = 'orgate_sealer') then
    begin
      create role orgate_sealer nologin nosuperuser nobypassrls nocreatedb nocreaterole noinherit;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end if;
end $$;
grant usage on schema public to orgate_sealer;

-- An entry draws its number once its change holds the row, so changes of one row keep their order. One sequence for all
-- organizations: the number is never shown, or it would tell of others.
create sequence audit_number;
grant usage on sequence audit_number to orgate_app, orgate_directory;

-- Without a foreign key: the record of an organization outlives it. '' is the deployment itself: what belongs to no organization.
create table audit_entry (
  org_id       text not null,
  number       bigint not null default nextval('audit_number'),
  id           text not null default 'aud_' || replace(gen_random_uuid()::text, '-', ''),
  at           timestamptz(3) not null default clock_timestamp(),
  actor_kind   text not null check (actor_kind in ('PERSON', 'API_KEY', 'SERVICE_ACCOUNT', 'DIRECTORY', 'EXECUTOR', 'SYSTEM')),
  actor_id     text,
  actor_name   text,
  on_behalf_of text,
  action       text not null,
  outcome      text not null default 'DONE' check (outcome in ('DONE', 'REFUSED')),
  target_type  text,
  target_id    text,
  target_name  text,
  -- By column, [before, after]; null where nothing of the row is told.
  changes      jsonb,
  reason       text,
  request_id   text,
  address      text,
  primary key (org_id, number)
);
create index audit_entry_org_id_at_id_idx on audit_entry (org_id, at, id);
create index audit_entry_org_id_actor_id_at_idx on audit_entry (org_id, actor_id, at);
create index audit_entry_org_id_target_id_at_idx on audit_entry (org_id, target_id, at);
call orgate_isolate('audit_entry');
revoke update, delete on audit_entry from orgate_app;
grant select, insert on audit_entry to orgate_directory;
-- The directory makes organizations, and writes what belongs to none; it reads that only.
create policy directory_read on audit_entry for select to orgate_directory using (org_id = '');
create policy directory_write on audit_entry for insert to orgate_directory with check (true);

-- What waits to be sealed.
create table audit_unsealed (
  org_id text not null,
  number bigint not null,
  primary key (org_id, number)
);
call orgate_isolate('audit_unsealed');
revoke select, update, delete on audit_unsealed from orgate_app;
grant select, insert on audit_unsealed to orgate_directory;
create policy directory_read on audit_unsealed for select to orgate_directory using (true);
create policy directory_write on audit_unsealed for insert to orgate_directory with check (true);

-- The chain: one row for each entry, in the order in which it was sealed. `salts` has one for each field that is digested, in
-- base64url: null where the field is empty; where it was erased, `{ digest }` in the salt's place.
create table audit_seal (
  org_id    text not null,
  sequence  bigint not null check (sequence > 0),
  number    bigint not null,
  hash      text not null,
  salts     jsonb not null,
  sealed_at timestamptz(3) not null default clock_timestamp(),
  primary key (org_id, sequence),
  constraint audit_seal_org_id_number_key unique (org_id, number)
);
call orgate_isolate('audit_seal');
revoke insert, update, delete on audit_seal from orgate_app;
grant select on audit_seal to orgate_directory;
create policy directory_read on audit_seal for select to orgate_directory using (org_id = '');

-- The sealer, in the frame of one organization, or of none.
grant select on audit_entry to orgate_sealer;
grant select, delete on audit_unsealed to orgate_sealer;
grant select, insert on audit_seal to orgate_sealer;
create policy seal on audit_entry for select to orgate_sealer using (org_id = (select current_setting('app.org_id', true)));
create policy seal on audit_unsealed for all to orgate_sealer using (org_id = (select current_setting('app.org_id', true)));
create policy seal on audit_seal for all to orgate_sealer
  using (org_id = (select current_setting('app.org_id', true)))
  with check (org_id = (select current_setting('app.org_id', true)));

-- Of what a change is told: by column, [before, after]. Of secrets only that they changed, of a long value how it begins.
create function orgate_told(before jsonb, after jsonb, secret text[]) returns jsonb
language plpgsql immutable
as $$
declare
  told jsonb;
begin
  if before is null then
    select jsonb_object_agg(key, jsonb_build_array(null, value)) into told from jsonb_each(after) where value <> 'null';
  elsif after is null then
    select jsonb_object_agg(key, jsonb_build_array(value, null)) into told from jsonb_each(before) where value <> 'null';
  else
    select jsonb_object_agg(key, jsonb_build_array(before -> key, value)) into told
      from jsonb_each(after) where value <> before -> key;
  end if;
  if told ?| secret then
    select jsonb_object_agg(key, case when key <> all (secret) then value else (
        select jsonb_agg(case when each = 'null' then each else '"***"' end) from jsonb_array_elements(value) as each) end)
      into told from jsonb_each(told);
  end if;
  if pg_column_size(told) > 4000 then
    select jsonb_object_agg(key, case when length(value::text) > 1000
        then jsonb_build_array(left(value ->> 0, 400), left(value ->> 1, 400)) else value end)
      into told from jsonb_each(told);
  end if;
  return told;
end $$;

-- Writes the entries of a statement's changes, one for each row. Arguments: what a row is called, its key column, the column of its
-- organization ('' for the deployment's), secret columns (told as ***), and columns of which nothing is told.
create function orgate_write_entries() returns trigger
language plpgsql
as $$
declare
  secret constant text[] := tg_argv[3];
  silent constant text[] := tg_argv[4];
  act constant jsonb := nullif(current_setting('app.act', true), '');
  changed jsonb[];
  org text;
  who text := act ->> 'name';
begin
  -- Whoever owns the tables migrates and mends; what the gateway does, somebody does.
  if act is null and current_user not in ('orgate_app', 'orgate_directory') then return null; end if;
  if tg_op = 'INSERT' then
    select array_agg(jsonb_build_array(null, to_jsonb(now_there) - silent)) into changed from now_there;
  elsif tg_op = 'DELETE' then
    select array_agg(jsonb_build_array(to_jsonb(was_there) - silent, null)) into changed from was_there;
  else
    select array_agg(jsonb_build_array(before, after)) into changed
      from (select to_jsonb(was_there) - silent as before from was_there) as old_row
      full join (select to_jsonb(now_there) - silent as after from now_there) as new_row
        on before ->> tg_argv[1] = after ->> tg_argv[1]
          and before ->> nullif(tg_argv[2], '') is not distinct from after ->> nullif(tg_argv[2], '')
      where before is distinct from after;
  end if;
  if changed is null then return null; end if;
  if act is null then
    raise exception using errcode = 'OG001', message = format('a change of %s tells nobody who makes it', tg_table_name);
  end if;
  org := coalesce(coalesce(nullif(changed[1] -> 1, 'null'), changed[1] -> 0) ->> nullif(tg_argv[2], ''), '');
  -- Whoever acts in an organization that is not the one of their request is called what they are called there.
  if who is null and org = '' then
    select name into who from public.person where id = act ->> 'id';
  elsif who is null and current_user = 'orgate_app' then
    who := case act ->> 'kind'
      when 'API_KEY' then (select name from public.api_key where org_id = org and id = act ->> 'id')
      when 'DIRECTORY' then (select name from public.scim_directory where org_id = org and id = act ->> 'id')
      else (select name from public.membership where org_id = org and user_id = act ->> 'id')
    end;
  end if;
  with told as materialized (
    select nextval('public.audit_number') as number, coalesce(this ->> nullif(tg_argv[2], ''), '') as org_id, this, before, after
    from unnest(changed) as pair
      cross join lateral (select nullif(pair -> 0, 'null') as before, nullif(pair -> 1, 'null') as after) as sides
      cross join lateral (select coalesce(after, before) as this) as either
  ), entries as (
    insert into public.audit_entry (org_id, number, actor_kind, actor_id, actor_name, on_behalf_of, action, target_type,
      target_id, target_name, changes, reason, request_id, address)
    select org_id, number, act ->> 'kind', act ->> 'id', who, act ->> 'onBehalfOf',
      tg_argv[0] || '.' || case
        when before is null then 'created'
        when after is null then 'deleted'
        when before ->> 'status' <> after ->> 'status' then lower(after ->> 'status')
        when before ->> 'revoked_at' is null and after ->> 'revoked_at' is not null then 'revoked'
        when before ->> 'ended_at' is null and after ->> 'ended_at' is not null then 'ended'
        else 'updated'
      end,
      tg_argv[0], this ->> tg_argv[1], coalesce(this ->> 'name', this ->> 'display_name', this ->> 'email'),
      public.orgate_told(before - tg_argv[1] - tg_argv[2], after - tg_argv[1] - tg_argv[2], secret),
      act ->> 'reason', act ->> 'requestId', act ->> 'address'
    from told
  )
  insert into public.audit_unsealed (org_id, number) select org_id, number from told;
  return null;
end $$;

-- The one line that a table needs to be recorded; `orgate_isolate` has it in it.
create procedure orgate_record(
  recorded text,
  called text default null,
  key_column text default 'id',
  org_column text default 'org_id',
  secret text[] default '{}',
  silent text[] default '{}'
)
language plpgsql
set search_path = public, pg_temp
as $$
declare
  arguments text;
begin
  arguments := format('%L, %L, %L, %L, %L', coalesce(called, recorded), key_column, org_column, secret,
    silent || array['created_at', 'updated_at']);
  execute format('create trigger record_created after insert on %I referencing new table as now_there
    for each statement execute function orgate_write_entries(%s)', recorded, arguments);
  execute format('create trigger record_updated after update on %I referencing old table as was_there new table as now_there
    for each statement execute function orgate_write_entries(%s)', recorded, arguments);
  execute format('create trigger record_deleted after delete on %I referencing old table as was_there
    for each statement execute function orgate_write_entries(%s)', recorded, arguments);
end $$;
revoke all on procedure orgate_record(text, text, text, text, text[], text[]) from public;

-- The wall as it was, and recorded, save where a table says that it is not.
alter procedure orgate_isolate(text, text) rename to orgate_wall;
create procedure orgate_isolate(isolated text, org_column text default 'org_id', is_recorded boolean default true)
language plpgsql
set search_path = public, pg_temp
as $$
begin
  call orgate_wall(isolated, org_column);
  if is_recorded then call orgate_record(isolated, org_column => org_column); end if;
end $$;
revoke all on procedure orgate_isolate(text, text, boolean) from public;

call orgate_record('organization', org_column => 'id', silent => '{lock_version}');
call orgate_record('membership', silent => '{left_role,left_granted,left_withheld}');
call orgate_record('repository');
call orgate_record('agent');
call orgate_record('run', silent => '{input,output,total_tokens,total_cost_micros,idempotency_key}');
call orgate_record('identity_provider', secret => '{client_secret}');
call orgate_record('organization_domain', 'domain',
  silent => '{held_name,checked_at,check_found,check_problem,misses,next_check_at}');
call orgate_record('join_request');
call orgate_record('invitation', silent => '{pending_email,mail_status,mail_problem}');
call orgate_record('api_key', secret => '{secret_hash}', silent => '{last_used_at,expiry_told_at}');
call orgate_record('scim_directory', secret => '{token_hash}', silent => '{last_used_at}');
call orgate_record('scim_user');
call orgate_record('scim_group');
call orgate_record('person', org_column => '');
call orgate_record('identity', key_column => 'subject', org_column => '');
call orgate_record('session', org_column => 'bound_org_id', secret => '{cookie_hash}', silent => '{last_used_at,user_agent}');
call orgate_record('signing_key', key_column => 'kid', org_column => '', secret => '{private_key}', silent => '{public_key}');
