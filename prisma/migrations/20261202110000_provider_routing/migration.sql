-- Which provider a run was told to call, each time it asked.
create table provider_resolution (
  org_id      text not null references organization (id) on delete cascade,
  run_id      text not null,
  -- From 1, in the order in which they were asked for.
  number      integer not null check (number between 1 and 100),
  -- Which attempt of the run asked.
  attempt     integer not null,
  kind        text not null check (kind in ('LLM', 'IMAGE')),
  -- Null where none was to be had.
  name        text,
  model       text,
  reason      text not null check (reason in ('PREFERRED', 'FALLBACK', 'CHEAPEST', 'DEFAULT', 'UNAVAILABLE')),
  -- [{ provider, reason }], in the order of the list.
  passed_over jsonb not null default '[]',
  at          timestamptz(3) not null,
  primary key (org_id, run_id, number),
  constraint provider_resolution_org_id_run_id_fkey foreign key (org_id, run_id) references run (org_id, id),
  check ((name is null) = (reason = 'UNAVAILABLE'))
);
call orgate_isolate('provider_resolution', is_recorded => false);
-- What was answered stays so.
revoke update on provider_resolution from orgate_app;

-- Each is told once, of its run.
create function provider_resolution_is_told() returns trigger language plpgsql as $$
begin
  perform public.orgate_tell(new.org_id, case when new.name is null then 'run.provider_unavailable' else 'run.provider_resolved' end,
    'run', new.run_id, (
      select jsonb_object_agg(key, jsonb_build_array(null, value)) from jsonb_each(to_jsonb(new))
      where key in ('kind', 'name', 'model', 'reason', 'passed_over', 'attempt') and value <> 'null'));
  return null;
end $$;
create trigger provider_resolution_is_told after insert on provider_resolution for each row execute function provider_resolution_is_told();

-- What belongs to a run goes with it.
create function run_forgets_providers() returns trigger language plpgsql as $$
begin
  delete from public.provider_resolution where org_id = old.org_id and run_id = old.id;
  return old;
end $$;
create trigger run_forgets_providers before delete on run for each row
  when (pg_trigger_depth() = 0 and current_user <> 'orgate_purger') execute function run_forgets_providers();

-- How an organization's executors found its providers, as they said last.
create table provider_health (
  org_id      text not null references organization (id) on delete cascade,
  provider    text not null,
  healthy     boolean not null,
  detail      text check (length(detail) <= 500),
  reported_at timestamptz(3) not null,
  -- When one that does not answer is tried again.
  retry_at    timestamptz(3),
  primary key (org_id, provider),
  check (healthy = (retry_at is null))
);
call orgate_isolate('provider_health', is_recorded => false);
call orgate_record('provider_health', key_column => 'provider', silent => '{detail,reported_at,retry_at}');

-- The last uses of a provider, by which its cost is known. What is recorded beside a run costs nothing there, and is not read through, however much of it
-- is newer.
create index usage_event_paid_idx on usage_event (org_id, provider, metric, recorded_at desc)
  where provider is not null and corrects is null and (reported or run_id is null);

-- Whom an organization's runs call that ask nobody: the first of its list that it has a credential for, or its usual one where there is no
-- list. As src/domains/provider/routing decides it.
create or replace function usage_provider(org text) returns text
language sql stable
as $$
  select case when jsonb_array_length(list) = 0 then settings ->> 'agentExecution.defaultProvider' else (
    select listed.name from jsonb_array_elements_text(list) with ordinality as listed (name, place)
    where exists (select from public.credential c
      where c.org_id = org and c.kind = 'LLM_PROVIDER' and c.provider = listed.name and c.enabled)
    order by listed.place limit 1) end
  from public.organization cross join lateral (select
    case when settings ->> 'providerRouting.llmPreference' is not null
      then jsonb_build_array(settings -> 'providerRouting.llmPreference') else '[]' end
    || case when settings -> 'providerRouting.fallbackEnabled' = 'false' then '[]'
      else coalesce(nullif(settings -> 'providerRouting.llmFallback', 'null'), '[]') end as list) as wanted
  where id = org
$$;

-- What a run reports is of the provider that its attempt was told to call last.
create or replace function usage_event_is_whose() returns trigger language plpgsql as $$
begin
  new.provider := coalesce(
    (select p.name from public.provider_resolution p join public.run r on r.org_id = p.org_id and r.id = p.run_id and r.attempts = p.attempt
      where p.org_id = new.org_id and p.run_id = new.run_id and p.kind = 'LLM' and p.name is not null
      order by p.number desc limit 1),
    public.usage_provider(new.org_id));
  return new;
end $$;
