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
-- Domains, since a check of a table's own is read anew by each statement, which takes as long as the row does.
create domain audit_actor_kind as text
  check (value in ('PERSON', 'API_KEY', 'SERVICE_ACCOUNT', 'DIRECTORY', 'EXECUTOR', 'SYSTEM'));
create domain audit_outcome as text check (value in ('DONE', 'REFUSED'));

create table audit_entry (
  org_id       text not null,
  number       bigint not null default nextval('audit_number'),
  id           text not null default 'aud_' || replace(gen_random_uuid()::text, '-', ''),
  at           timestamptz(3) not null default clock_timestamp(),
  actor_kind   audit_actor_kind not null,
  actor_id     text,
  actor_name   text,
  on_behalf_of text,
  action       text not null,
  outcome      audit_outcome not null default 'DONE',
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

-- Of long values, how they begin.
create function orgate_shortened(told jsonb) returns jsonb
language sql immutable
as $$
  select jsonb_object_agg(key, case when length(value::text) > 1000
    then jsonb_build_array(left(value ->> 0, 400), left(value ->> 1, 400)) else value end)
  from jsonb_each(told)
$$;

-- From here to `orgate_record`: what writes a table's trigger functions, one for what is created, updated and deleted each. They
-- name the columns that the table has, since finding them out with every row would take longer than all the rest.

-- What is told of columns: { column: [before, after] }; of secret ones only that they changed.
create function orgate_told(verb text, columns text[], secret text[], is_json boolean) returns text
language sql immutable
as $$
  with named as (
    select place, name, quote_ident(name) as as_column,
      case when name = any (secret) then 'case when %1$s.%2$s is not null then ''***'' end' else '%1$s.%2$s' end as value
    from unnest(columns) with ordinality as given (name, place)
  ), pairs as (
    select place, name, format('jsonb_build_array(%s, %s)',
        case verb when 'created' then 'null' else format(value, 'old', as_column) end,
        case verb when 'deleted' then 'null' else format(value, 'new', as_column) end) as pair,
      format(case verb when 'created' then 'new.%1$s is not null' when 'deleted' then 'old.%1$s is not null'
        else 'new.%1$s is distinct from old.%1$s' end, as_column) as is_told
    from named
  )
  -- Nulls are left out afterwards; but not of columns with JSON, which may hold some.
  select case when is_json
    then coalesce(string_agg(format(' || case when %s then jsonb_build_object(%L, %s) else ''{}'' end', is_told, name, pair), ''
      order by place), '')
    else format('jsonb_strip_nulls(jsonb_build_object(%s))',
      string_agg(format('%L, case when %s then %s end', name, is_told, pair), ', ' order by place)) end
  from pairs
$$;

-- What became of a row, where that is more than that it was updated.
create function orgate_became(verb text, columns text[]) returns text
language sql immutable
as $$
  select case when verb <> 'updated' then quote_literal(verb) else 'case'
    || case when 'status' = any (columns) then ' when old.status <> new.status then lower(new.status)' else '' end
    || case when 'revoked_at' = any (columns) then ' when old.revoked_at is null and new.revoked_at is not null then ''revoked''' else '' end
    || case when 'ended_at' = any (columns) then ' when old.ended_at is null and new.ended_at is not null then ''ended''' else '' end
    || ' when true then ''updated'' end' end
$$;

-- The one line that a table needs to be recorded; `orgate_isolate` has it in it. A migration that adds columns to a recorded table,
-- or takes some away, calls it again. Arguments: what a row is called, its key column, the column of its organization ('' for the
-- deployment's), secret columns (told as ***), and columns of which nothing is told.
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
as $procedure$
declare
  columns text[];
  verb text;
  writer text;
  side text;
begin
  select array_agg(attname::text order by attnum) into columns from pg_attribute
    where attrelid = recorded::regclass and attnum > 0 and not attisdropped
      and attname <> all (silent || array['created_at', 'updated_at', key_column, org_column]);
  foreach verb in array array['created', 'updated', 'deleted'] loop
    writer := format('record_%s_%s', recorded, verb);
    side := case verb when 'deleted' then 'old' else 'new' end;
    execute format(
$writer$create or replace function public.%1$I() returns trigger
language plpgsql
as $body$
declare
  act constant jsonb := nullif(current_setting('app.act', true), '');
  org constant text := %2$s;
  told jsonb := %3$s;
  who text := act ->> 'name';
  drawn bigint;
begin
  %4$s
  if act is null then
    -- Whoever owns the tables migrates and mends; what the gateway does, somebody does.
    if current_user not in ('orgate_app', 'orgate_directory') then return null; end if;
    raise exception using errcode = 'OG001', message = format('a change of %%s tells nobody who makes it', tg_table_name);
  end if;
  if who is null and org = '' then
    select name into who from public.person where id = act ->> 'id';
  elsif who is null and current_user = 'orgate_app' then
    -- Whoever acts in an organization that is not the one of their request is called what they are called there.
    who := case act ->> 'kind'
      when 'API_KEY' then (select name from public.api_key where org_id = org and id = act ->> 'id')
      when 'DIRECTORY' then (select name from public.scim_directory where org_id = org and id = act ->> 'id')
      else (select name from public.membership where org_id = org and user_id = act ->> 'id')
    end;
  end if;
  if pg_column_size(told) > 4000 then told := public.orgate_shortened(told); end if;
  drawn := nextval('public.audit_number');
  insert into public.audit_entry (org_id, number, actor_kind, actor_id, actor_name, on_behalf_of, action, target_type,
    target_id, target_name, changes, reason, request_id, address)
  values (org, drawn, act ->> 'kind', act ->> 'id', who, act ->> 'onBehalfOf', %5$L || %6$s, %7$L,
    %8$s, %9$s, nullif(told, '{}'), act ->> 'reason', act ->> 'requestId', act ->> 'address');
  insert into public.audit_unsealed (org_id, number) values (org, drawn);
  return null;
end $body$
$writer$,
      writer,
      case org_column when '' then '''''' else format('coalesce(%s.%I, '''')', side, org_column) end,
      (select orgate_told(verb, array_agg(attname::text order by attnum) filter (where atttypid <> 'jsonb'::regtype), secret, false)
          || coalesce(orgate_told(verb, array_agg(attname::text order by attnum) filter (where atttypid = 'jsonb'::regtype), secret, true), '')
        from pg_attribute where attrelid = recorded::regclass and attname = any (columns)),
      case verb when 'updated' then format($check$if new.%1$I <> old.%1$I%2$s then raise exception '%% keeps its key and its organization', tg_table_name; end if;
  if told = '{}' then return null; end if;$check$,
        key_column, case org_column when '' then '' else format(' or new.%1$I is distinct from old.%1$I', org_column) end) else '' end,
      coalesce(called, recorded) || '.', orgate_became(verb, columns), coalesce(called, recorded), format('%s.%I', side, key_column),
      (select format('coalesce(%s)', coalesce(string_agg(format('%s.%I', side, name), ', ' order by place), 'null'))
        from unnest(array['name', 'display_name', 'email']) with ordinality as naming (name, place) where name = any (columns)));
    execute format('create or replace trigger record_%s after %s on %I for each row execute function public.%I()', verb,
      case verb when 'created' then 'insert' when 'updated' then 'update' else 'delete' end, recorded, writer);
  end loop;
end $procedure$;
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
call orgate_record('membership', silent => '{left_role,left_granted,left_withheld,left_joined_at}');
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
