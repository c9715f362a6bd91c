-- Settings are one document with a version: { path: value } of whatever was chosen, by the paths of the one table in
-- src/domains/organization/settings/schema.ts. What is decided by under a lock, or when a request comes in, stays a column.
alter table organization
  add column settings jsonb not null default '{}' check (jsonb_typeof(settings) = 'object'),
  add column settings_version integer not null default 1 check (settings_version > 0);

alter table organization no force row level security;
update organization set settings = jsonb_strip_nulls(jsonb_build_object(
  'agentExecution.defaultModel', default_model,
  'agentExecution.defaultProvider', default_provider,
  'security.externalAgentPolicy', nullif(external_agent_policy, 'DENY')))
  where default_model is not null or default_provider is not null or external_agent_policy <> 'DENY';
alter table organization force row level security;

-- The columns stay for the release before, which may serve beside this one: what either writes the other reads. A later release takes
-- them away, and this with them.
create function orgate_settings_of_before() returns trigger
language plpgsql
as $$
begin
  if new.settings is distinct from old.settings then
    new.default_model := new.settings ->> 'agentExecution.defaultModel';
    new.default_provider := new.settings ->> 'agentExecution.defaultProvider';
    new.external_agent_policy := coalesce(new.settings ->> 'security.externalAgentPolicy', 'DENY');
  else
    new.settings := new.settings || jsonb_build_object(
      'agentExecution.defaultModel', new.default_model,
      'agentExecution.defaultProvider', new.default_provider,
      'security.externalAgentPolicy', new.external_agent_policy);
  end if;
  return new;
end $$;
create trigger settings_of_before before update on organization for each row
  when (new.settings is distinct from old.settings or new.default_model is distinct from old.default_model
    or new.default_provider is distinct from old.default_provider or new.external_agent_policy <> old.external_agent_policy)
  execute function orgate_settings_of_before();

-- Who changed them, and what they were. 1 is what an organization begins with, and nobody's change.
create table settings_version (
  org_id  text not null references organization (id) on delete cascade,
  version integer not null check (version > 1),
  at      timestamptz(3) not null,
  by_kind audit_actor_kind not null,
  by_id   text,
  by_name text,
  -- By path, [before, after].
  changes jsonb not null,
  primary key (org_id, version)
);
call orgate_isolate('settings_version', is_recorded => false);
revoke update on settings_version from orgate_app;

-- Paths of which the record tells no more than that they changed.
create function orgate_masked() returns text[]
language sql immutable
as $$ select array['settings.branding.supportEmail'] $$;

-- What is told of a document, by path; null is where it begins, or ends.
create function orgate_told_by_path(called text, before jsonb, after jsonb) returns jsonb
language sql immutable
as $$
  select coalesce(jsonb_object_agg(path, case when path = any (public.orgate_masked())
    then jsonb_build_array(case when was <> 'null' then '***' end, case when became <> 'null' then '***' end)
    else jsonb_build_array(was, became) end), '{}')
  from (
    select called || '.' || key as path, b.value as was, a.value as became
    from jsonb_each(coalesce(before, '{}')) b full join jsonb_each(coalesce(after, '{}')) a using (key)
    where b.value is distinct from a.value
  ) as differing
$$;

-- As before, but that a column called `settings` is told by path.
create or replace function orgate_told(verb text, columns text[], secret text[], is_json boolean) returns text
language sql immutable
as $$
  with named as (
    select place, name, quote_ident(name) as as_column,
      case when name = any (secret) then 'case when %1$s.%2$s is not null then ''***'' end' else '%1$s.%2$s' end as value
    from unnest(columns) with ordinality as given (name, place)
  ), sides as (
    select *, case verb when 'created' then 'null' else format(value, 'old', as_column) end as was,
      case verb when 'deleted' then 'null' else format(value, 'new', as_column) end as became
    from named
  ), pairs as (
    select place, name, was, became, format('jsonb_build_array(%s, %s)', was, became) as pair,
      format(case verb when 'created' then 'new.%1$s is not null' when 'deleted' then 'old.%1$s is not null'
        else 'new.%1$s is distinct from old.%1$s' end, as_column) as is_told
    from sides
  )
  -- Nulls are left out afterwards; but not of columns with JSON, which may hold some.
  select case when is_json
    then coalesce(string_agg(case when name = 'settings'
        then format(' || case when %s then public.orgate_told_by_path(%L, %s, %s) else ''{}'' end', is_told, name, was, became)
        else format(' || case when %s then jsonb_build_object(%L, %s) else ''{}'' end', is_told, name, pair) end, ''
      order by place), '')
    else format('jsonb_strip_nulls(jsonb_build_object(%s))',
      string_agg(format('%L, case when %s then %s end', name, is_told, pair), ', ' order by place)) end
  from pairs
$$;
call orgate_record('organization', org_column => 'id', silent => '{lock_version,default_model,default_provider,external_agent_policy}');
