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

-- Writes the entry of one row's change. Arguments: what it is called, its key column, the column of its organization ('' for
-- the deployment's), secret columns (told as ***), and columns of which nothing is told.
create function orgate_write_entry() returns trigger
language plpgsql
as $$
declare
  secret constant text[] := tg_argv[3];
  silent constant text[] := tg_argv[4];
  act constant jsonb := nullif(current_setting('app.act', true), '');
  before jsonb;
  after jsonb;
  this jsonb;
  org text;
  told jsonb;
  who text := act ->> 'name';
  drawn bigint;
  verb text;
  hidden text;
begin
  -- Whoever owns the tables migrates and mends; what the gateway does, somebody does.
  if act is null and current_user not in ('orgate_app', 'orgate_directory') then return null; end if;
  if tg_op <> 'INSERT' then before := to_jsonb(old) - silent; end if;
  if tg_op <> 'DELETE' then after := to_jsonb(new) - silent; end if;
  if before = after then return null; end if;
  if act is null then
    raise exception using errcode = 'OG001', message = format('a change of %s tells nobody who makes it', tg_table_name);
  end if;
  this := coalesce(after, before);
  org := coalesce(this ->> nullif(tg_argv[2], ''), '');
  verb := case
    when tg_op = 'INSERT' then 'created'
    when tg_op = 'DELETE' then 'deleted'
    when before ->> 'status' <> after ->> 'status' then lower(after ->> 'status')
    when before ->> 'revoked_at' is null and after ->> 'revoked_at' is not null then 'revoked'
    when before ->> 'ended_at' is null and after ->> 'ended_at' is not null then 'ended'
    else 'updated'
  end;
  if tg_op = 'UPDATE' then
    select jsonb_object_agg(key, jsonb_build_array(before -> key, value)) into told
      from jsonb_each(after) where value <> before -> key;
  else
    select jsonb_object_agg(key, case tg_op when 'INSERT' then jsonb_build_array(null, value) else jsonb_build_array(value, null) end)
      into told from jsonb_each(this - tg_argv[1] - tg_argv[2]) where value <> 'null';
  end if;
  foreach hidden in array secret loop
    if told ? hidden then
      told := jsonb_set(told, array[hidden], (select jsonb_agg(case when value = 'null' then value else '"***"' end) from jsonb_array_elements(told -> hidden)));
    end if;
  end loop;
  -- A long value is told by how it begins.
  if pg_column_size(told) > 4000 then
    select jsonb_object_agg(key, case when length(value::text) > 1000 then jsonb_build_array(left(value ->> 0, 400), left(value ->> 1, 400)) else value end)
      into told from jsonb_each(told);
  end if;
  drawn := nextval('public.audit_number');
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
  with entry as (
    insert into public.audit_entry (org_id, number, actor_kind, actor_id, actor_name, on_behalf_of, action, target_type, target_id,
      target_name, changes, reason, request_id, address)
    values (org, drawn, act ->> 'kind', act ->> 'id', who, act ->> 'onBehalfOf', tg_argv[0] || '.' || verb, tg_argv[0],
      this ->> tg_argv[1], coalesce(this ->> 'name', this ->> 'display_name', this ->> 'email'), told,
      act ->> 'reason', act ->> 'requestId', act ->> 'address')
  )
  insert into public.audit_unsealed (org_id, number) values (org, drawn);
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
begin
  execute format(
    'create trigger record after insert or update or delete on %1$I for each row
       execute function orgate_write_entry(%2$L, %3$L, %4$L, %5$L, %6$L)',
    recorded, coalesce(called, recorded), key_column, org_column, secret, silent || array['created_at', 'updated_at']);
end $$;
revoke all on procedure orgate_record(text, text, text, text, text[], text[]) from public;

-- As before, and recorded, save where a table says that it is not.
drop procedure orgate_isolate(text, text);
create procedure orgate_isolate(isolated text, org_column text default 'org_id', is_recorded boolean default true)
language plpgsql
set search_path = public, pg_temp
as $$
begin
  execute format('alter table %I enable row level security', isolated);
  execute format('alter table %I force row level security', isolated);
  execute format(
    'create policy isolation on %1$I for all to orgate_app
       using (%2$I = (select nullif(current_setting(''app.org_id'', true), '''')))
       with check (%2$I = (select nullif(current_setting(''app.org_id'', true), '''')))',
    isolated, org_column);
  execute format('grant select, insert, update, delete on %I to orgate_app', isolated);
  if is_recorded then call orgate_record(isolated, org_column => org_column); end if;
end $$;
revoke all on procedure orgate_isolate(text, text, boolean) from public;

call orgate_record('organization', org_column => 'id', silent => '{lock_version}');
call orgate_record('membership', key_column => 'user_id', silent => '{left_role,left_granted,left_withheld}');
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
