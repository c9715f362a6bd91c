-- The ledger: what was used, when it was used. Events are added and never changed; what is wrong is corrected by another event.

create table usage_event (
  org_id          text not null references organization (id) on delete cascade,
  id              text not null default 'use_' || replace(gen_random_uuid()::text, '-', ''),
  -- Of what a client records; what runs report comes once by itself.
  idempotency_key text,
  metric          text not null,
  -- Below zero in a correction only.
  quantity        bigint not null,
  cost_micros     bigint not null,
  occurred_at     timestamptz(3) not null,
  recorded_at     timestamptz(3) not null,
  -- The UTC day that it counts in: that of occurred_at, or where that month was closed the day on which it was recorded.
  day             text not null check (day ~ '^\d{4}-\d\d-\d\d$'),
  late            boolean not null default false,
  -- Of what a run reported; what else is recorded for a run is not in its totals.
  reported        boolean not null default false,
  -- Without foreign keys: deleting takes nothing out of the ledger.
  run_id          text,
  agent_id        text,
  -- Who it is of: whoever started the run, else whoever recorded it, and with which key.
  created_by      text not null,
  key_id          text,
  -- JSON.
  attributes      text,
  -- The event that this one corrects, and why.
  corrects        text,
  reason          text,
  primary key (org_id, id),
  constraint usage_event_org_id_idempotency_key_key unique (org_id, idempotency_key),
  check (corrects is not null or (quantity >= 0 and cost_micros >= 0)),
  check ((corrects is null) = (reason is null))
);
create index usage_event_org_id_day_id_idx on usage_event (org_id, day, id);
create index usage_event_org_id_corrects_idx on usage_event (org_id, corrects) where corrects is not null;
call orgate_isolate('usage_event', is_recorded => false);
revoke update, delete on usage_event from orgate_app;

-- What is not in the totals yet. Each statement adds rows of its own, so nobody who reports waits for anybody; what is added
-- up is taken out in the same statement, so that both together are exact at every moment.
create sequence usage_tail_number;
grant usage on sequence usage_tail_number to orgate_app;
create table usage_tail (
  org_id      text not null references organization (id) on delete cascade,
  number      bigint not null default nextval('usage_tail_number'),
  day         text not null,
  metric      text not null,
  quantity    numeric not null,
  cost_micros numeric not null,
  primary key (org_id, number)
);
call orgate_isolate('usage_tail', is_recorded => false);
-- The directory finds whose waits.
grant select (org_id, number) on usage_tail to orgate_directory;
create policy directory_read on usage_tail for select to orgate_directory using (true);

create table usage_total (
  org_id      text not null references organization (id) on delete cascade,
  day         text not null,
  metric      text not null,
  quantity    numeric not null,
  cost_micros numeric not null,
  primary key (org_id, day, metric)
);
call orgate_isolate('usage_total', is_recorded => false);

create view usage_sum with (security_invoker = true) as
  select org_id, day, metric, quantity, cost_micros from usage_total
  union all
  select org_id, day, metric, quantity, cost_micros from usage_tail;
grant select on usage_sum to orgate_app;

create function usage_is_counted() returns trigger language plpgsql as $$
begin
  insert into public.usage_tail (org_id, day, metric, quantity, cost_micros)
  select org_id, day, metric, sum(quantity), sum(cost_micros) from made group by 1, 2, 3 order by 1, 2, 3;
  return null;
end $$;
create trigger usage_is_counted after insert on usage_event referencing new table as made
  for each statement execute function usage_is_counted();

-- An entry of the record that is not about a row as a whole. What nobody says they do is the owner's, who migrates and mends.
create function orgate_tell(org text, action text, target_type text, target_id text, changes jsonb, reason text default null) returns void
language plpgsql
as $$
declare
  act constant jsonb := nullif(current_setting('app.act', true), '');
  drawn bigint;
begin
  if act is null then
    if current_user not in ('orgate_app', 'orgate_directory') then return; end if;
    raise exception using errcode = 'OG001', message = format('%s tells nobody who does it', action);
  end if;
  drawn := nextval('public.audit_number');
  insert into public.audit_entry (org_id, number, actor_kind, actor_id, actor_name, on_behalf_of, action, target_type, target_id,
    changes, reason, request_id, address)
  values (org, drawn, act ->> 'kind', act ->> 'id', public.orgate_called(org, act), act ->> 'onBehalfOf', action, target_type, target_id,
    changes, coalesce(reason, act ->> 'reason'), act ->> 'requestId', act ->> 'address');
  insert into public.audit_unsealed (org_id, number) values (org, drawn);
end $$;

-- A correction is somebody's decision, and told; the rest comes many times a second.
create function usage_correction_is_told() returns trigger language plpgsql as $$
begin
  perform public.orgate_tell(new.org_id, 'usage.corrected', 'usage_event', new.corrects, jsonb_build_object(
    'quantity', jsonb_build_array(null, new.quantity), 'cost_micros', jsonb_build_array(null, new.cost_micros)), new.reason);
  return null;
end $$;
create trigger usage_correction_is_told after insert on usage_event for each row when (new.corrects is not null)
  execute function usage_correction_is_told();

-- When an executor reported last, by the clock that periods are told by.
alter table run add column reported_at timestamptz(3);

-- What a run used more than before, whoever says so, in the statement that says it.
create function run_is_used() returns trigger language plpgsql as $$
declare
  tokens bigint := new.total_tokens;
  micros bigint := new.total_cost_micros;
  -- The clock may have been moved ahead of the database's, where a report came by it.
  at timestamptz(3) := greatest(clock_timestamp(), new.reported_at);
begin
  if tg_op = 'UPDATE' then
    tokens := tokens - old.total_tokens;
    micros := micros - old.total_cost_micros;
  else
    at := new.created_at;
  end if;
  if tokens <> 0 or micros <> 0 then
    insert into public.usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, reported, run_id, agent_id,
      created_by)
    values (new.org_id, 'tokens', tokens, micros, at, at, to_char(at at time zone 'UTC', 'YYYY-MM-DD'), true, new.id, new.agent_id,
      new.created_by);
  end if;
  return new;
end $$;
create trigger run_is_used after insert on run for each row
  when (new.total_tokens <> 0 or new.total_cost_micros <> 0) execute function run_is_used();
create trigger run_is_used_more before update of total_tokens, total_cost_micros on run for each row
  when ((old.total_tokens, old.total_cost_micros) is distinct from (new.total_tokens, new.total_cost_micros))
  execute function run_is_used();

-- The runs that are there, once: all of each when it was created, as it was counted so far. The sums of tokens and cost in
-- run_usage go on for the release before, which may serve beside this one; a later release takes them away.
alter table run no force row level security;
alter table usage_event no force row level security;
alter table usage_total no force row level security;
alter table usage_event disable trigger usage_is_counted;
insert into usage_event (org_id, id, metric, quantity, cost_micros, occurred_at, recorded_at, day, reported, run_id, agent_id, created_by)
select org_id, 'use_' || id, 'tokens', total_tokens, total_cost_micros, created_at, created_at,
       to_char(created_at at time zone 'UTC', 'YYYY-MM-DD'), true, id, agent_id, created_by
from run where total_tokens <> 0 or total_cost_micros <> 0;
insert into usage_total (org_id, day, metric, quantity, cost_micros)
select org_id, day, metric, sum(quantity), sum(cost_micros) from usage_event group by 1, 2, 3;
alter table usage_event enable trigger usage_is_counted;
alter table run force row level security;
alter table usage_event force row level security;
alter table usage_total force row level security;
call orgate_record('run', silent => '{input,output,total_tokens,total_cost_micros,idempotency_key,reported_at}');
