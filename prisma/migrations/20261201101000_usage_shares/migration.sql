-- Of what an agent, a person, a key or a provider used is added up as the rest is: behind, and read with what is not in it yet.

alter table usage_event add column provider text;
alter table usage_tail add column agent_id text, add column person_id text, add column key_id text, add column provider text;

create table usage_share (
  org_id      text not null references organization (id) on delete cascade,
  dimension   text not null check (dimension in ('AGENT', 'PERSON', 'KEY', 'PROVIDER')),
  day         text not null,
  -- Empty of none.
  key         text not null,
  metric      text not null,
  quantity    numeric not null,
  cost_micros numeric not null,
  primary key (org_id, dimension, day, key, metric)
);
call orgate_isolate('usage_share', is_recorded => false);

create view usage_share_sum with (security_invoker = true) as
  select org_id, dimension, day, key, metric, quantity, cost_micros from usage_share
  union all
  select org_id, of.dimension, day, coalesce(of.key, ''), metric, quantity, cost_micros from usage_tail cross join lateral
    (values ('AGENT', agent_id), ('PERSON', person_id), ('KEY', key_id), ('PROVIDER', provider)) as of (dimension, key);
grant select on usage_share_sum to orgate_app;

-- Whom an organization's runs ask: the first that it prefers and has a credential for, else its usual one.
create function usage_provider(org text) returns text
language sql stable
as $$
  select coalesce(
    (select preferred.name from jsonb_array_elements_text(
        case when settings ? 'providerRouting.llmPreference' and settings ->> 'providerRouting.llmPreference' is not null
          then jsonb_build_array(settings -> 'providerRouting.llmPreference') else '[]' end
        || coalesce(nullif(settings -> 'providerRouting.llmFallback', 'null'), '[]')) with ordinality as preferred (name, place)
      where exists (select from public.credential c
        where c.org_id = org and c.kind = 'LLM_PROVIDER' and c.provider = preferred.name and c.enabled)
      order by preferred.place limit 1),
    settings ->> 'agentExecution.defaultProvider')
  from public.organization where id = org
$$;

create function usage_event_is_whose() returns trigger language plpgsql as $$
begin
  new.provider := public.usage_provider(new.org_id);
  return new;
end $$;
create trigger usage_event_is_whose before insert on usage_event for each row when (new.reported)
  execute function usage_event_is_whose();

-- A month that is closed stays what it is, whoever was slow on the way here. What runs report counts when it comes.
create function usage_event_is_in_time() returns trigger language plpgsql as $$
declare
  at constant timestamptz := greatest(clock_timestamp(), new.recorded_at);
begin
  if at >= (left(new.day, 7) || '-01')::timestamp at time zone 'UTC' + interval '1 month 3 days' then
    new.day := public.utc_day(at);
    new.late := true;
  end if;
  return new;
end $$;
create trigger usage_event_is_in_time before insert on usage_event for each row
  when (not new.reported and current_user = 'orgate_app') execute function usage_event_is_in_time();

create or replace function usage_is_counted() returns trigger language plpgsql as $$
declare
  spent record;
begin
  for spent in
    select org_id, day, sum(cost_micros) as micros, max(recorded_at) as at from made where not reported
    group by 1, 2 having sum(cost_micros) <> 0 order by 1, 2
  loop
    perform public.budget_spends(spent.org_id, spent.at, 0,
      greatest(least(spent.micros, 9223372036854775807), -9223372036854775807)::bigint, spent.day);
  end loop;
  insert into public.usage_tail (org_id, day, metric, agent_id, person_id, key_id, provider, quantity, cost_micros)
  select org_id, day, metric, agent_id, created_by, key_id, provider, sum(quantity), sum(cost_micros)
  from made group by 1, 2, 3, 4, 5, 6, 7 order by 1, 2, 3;
  update public.budget b set
    day_settled_micros = public.usage_spent(b.org_id, b.day, b.day),
    month_settled_micros = public.usage_spent(b.org_id, left(b.day, 7) || '-01', left(b.day, 7) || '-31')
  where b.org_id in (select org_id from made) and 9223372036854775807 in (b.day_settled_micros, b.month_settled_micros)
    and (b.monthly_limit_micros is not null or b.daily_limit_micros is not null);
  return null;
end $$;

-- What is there, once. Nobody adds an event meanwhile: whoever does waits for the table that was altered above.
alter table usage_event no force row level security;
alter table usage_tail no force row level security;
alter table usage_total no force row level security;
alter table usage_share no force row level security;
with taken as (delete from usage_tail returning org_id, day, metric, quantity, cost_micros)
insert into usage_total as known (org_id, day, metric, quantity, cost_micros)
select org_id, day, metric, sum(quantity), sum(cost_micros) from taken group by 1, 2, 3
on conflict (org_id, day, metric) do update set
  quantity = known.quantity + excluded.quantity, cost_micros = known.cost_micros + excluded.cost_micros;
insert into usage_share (org_id, dimension, day, key, metric, quantity, cost_micros)
select org_id, of.dimension, day, coalesce(of.key, ''), metric, sum(quantity), sum(cost_micros)
from usage_event cross join lateral
  (values ('AGENT', agent_id), ('PERSON', created_by), ('KEY', key_id), ('PROVIDER', provider)) as of (dimension, key)
group by 1, 2, 3, 4, 5;
alter table usage_event force row level security;
alter table usage_tail force row level security;
alter table usage_total force row level security;
alter table usage_share force row level security;

-- A link to the events of some days, for whoever asked for it.
create table usage_export (
  org_id     text not null references organization (id) on delete cascade,
  id         text not null,
  format     text not null check (format in ('NDJSON', 'CSV')),
  -- UTC days, both with.
  from_day   text not null,
  to_day     text not null,
  maker_kind text not null check (maker_kind in ('PERSON', 'API_KEY', 'SERVICE_ACCOUNT', 'DIRECTORY', 'EXECUTOR', 'SYSTEM')),
  maker_id   text not null,
  expires_at timestamptz(3) not null,
  -- When it had been read to its end; from then on it leads nowhere.
  read_at    timestamptz(3),
  created_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, id)
);
call orgate_isolate('usage_export');
