-- What an organization may spend, and who is let in: one row, apart from the organization's own, in which the day and the month stand side by
-- side, so that one update decides. Who has no limit never waits for it.

create table budget (
  org_id                   text primary key references organization (id) on delete cascade,
  monthly_limit_micros     bigint check (monthly_limit_micros >= 0),
  daily_limit_micros       bigint check (daily_limit_micros >= 0),
  alert_thresholds_percent integer[] not null default '{80,100}',
  hard_stop                boolean not null default true,
  -- From here on it is the database that counts, while there is a limit: what was spent on this UTC day, and in its month, and what
  -- runs that are not over may still spend. It follows from the ledger and the runs, which the doctor holds it to.
  day                      text not null default to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD'),
  day_settled_micros       bigint not null default 0,
  month_settled_micros     bigint not null default 0,
  reserved_micros          bigint not null default 0,
  -- Runs that were started on a day, where the plan has a limit of these; null where nobody counts.
  run_day                  text,
  run_count                integer not null default 0,
  changed_at               timestamptz(3) not null default clock_timestamp()
) with (fillfactor = 50); -- room for new versions of a row beside the old one
call orgate_isolate('budget', is_recorded => false);
call orgate_record('budget', key_column => 'org_id',
  silent => '{day,day_settled_micros,month_settled_micros,reserved_micros,run_day,run_count,changed_at}');
-- A row begins without limits; what is counted in it is not told.
create or replace trigger record_created after insert on budget for each row
  when (new.monthly_limit_micros is not null or new.daily_limit_micros is not null) execute function record_budget_created();
create or replace trigger record_updated
  after update of monthly_limit_micros, daily_limit_micros, alert_thresholds_percent, hard_stop on budget
  for each row execute function record_budget_updated();
-- The doctor asks whose there are.
grant select (org_id) on budget to orgate_directory;
create policy directory_read on budget for select to orgate_directory using (true);

-- That a part of a limit was spent, once in its period.
create table usage_alert (
  org_id            text not null references organization (id) on delete cascade,
  -- A UTC month or day.
  period            text not null,
  threshold_percent integer not null,
  limit_micros      bigint not null,
  settled_micros    bigint not null,
  crossed_at        timestamptz(3) not null,
  primary key (org_id, period, threshold_percent)
);
call orgate_isolate('usage_alert', is_recorded => false);
revoke update, delete on usage_alert from orgate_app;

alter table agent add column estimated_cost_micros bigint check (estimated_cost_micros >= 0);
call orgate_record('agent');

alter table run
  -- What it is thought to cost. What is left of that is held for it until it is over.
  add column estimated_cost_micros bigint check (estimated_cost_micros >= 0),
  -- How many the plan allowed on the day on which it was started; null without a limit.
  add column runs_per_day integer,
  -- That its executor is to stop it, why, and since when.
  add column stop_reason text check (stop_reason in ('BUDGET')),
  add column stop_requested_at timestamptz(3),
  add constraint run_stop_check check ((stop_reason is null) = (stop_requested_at is null));
call orgate_record('run', silent =>
  '{input,output,total_tokens,total_cost_micros,idempotency_key,reported_at,estimated_cost_micros,runs_per_day}');

-- What is held for a run. It follows from the run alone, and is nothing once that is over: whoever ends a run, and in whatever way,
-- gives it back in the same statement, and never twice.
create function run_holds(status text, estimated_micros bigint, spent_micros bigint) returns bigint
language sql immutable
as $$
  select case when status in ('QUEUED', 'RUNNING') then greatest(coalesce(estimated_micros, 0) - spent_micros, 0) else 0 end
$$;

-- What the ledger has from one day up to and with another. Sums stop where a bigint does.
create function usage_spent(org text, first_day text, last_day text) returns bigint
language sql stable
as $$
  select greatest(least(coalesce(sum(cost_micros), 0), 9223372036854775807), -9223372036854775807)::bigint from public.usage_sum
  where org_id = org and day between first_day and last_day
$$;

create function utc_day(at timestamptz) returns text
language sql immutable
as $$ select to_char(at at time zone 'UTC', 'YYYY-MM-DD') $$;

-- Brings the row of a budget to another day, under its lock. What is held for runs goes on with them.
create function budget_rolls(org text, today text) returns void language plpgsql as $$
begin
  update public.budget set
    day = today,
    day_settled_micros = public.usage_spent(org, today, today),
    month_settled_micros = case when left(day, 7) = left(today, 7) then month_settled_micros
      else public.usage_spent(org, left(today, 7) || '-01', left(today, 7) || '-31') end
  where org_id = org and day < today;
end $$;

-- Counts what was spent, and what is held for a run more or less than before. What is spent was spent, and is never refused.
-- True where more is spent and held than the limits have.
create function budget_spends(org text, at timestamptz, held bigint, spent bigint, spent_on text) returns boolean language plpgsql as $$
declare
  today constant text := public.utc_day(at);
  b public.budget;
begin
  -- Who has no limit finds no row, and waits for none.
  select * into b from public.budget
    where org_id = org and (monthly_limit_micros is not null or daily_limit_micros is not null) for update;
  if not found then return false; end if;
  if b.day < today then perform public.budget_rolls(org, today); end if;
  update public.budget set
    reserved_micros = reserved_micros + held,
    day_settled_micros = least(day_settled_micros::numeric
      + case when day = spent_on then spent else 0 end, 9223372036854775807),
    month_settled_micros = least(month_settled_micros::numeric
      + case when left(day, 7) = left(spent_on, 7) then spent else 0 end, 9223372036854775807),
    changed_at = at
  where org_id = org returning * into b;
  return b.hard_stop and (
    coalesce(b.month_settled_micros::numeric + b.reserved_micros > b.monthly_limit_micros, false)
    or coalesce(b.day_settled_micros::numeric + b.reserved_micros > b.daily_limit_micros, false));
end $$;

-- Whether a budget has room for so much more. Where nothing is left, also what costs nothing has none.
create function budget_has_room(limit_micros bigint, settled bigint, reserved bigint, more bigint) returns boolean
language sql immutable
as $$
  select limit_micros is null
    or (settled::numeric + reserved < limit_micros and settled::numeric + reserved + more <= limit_micros)
$$;

-- Lets a run in, in the statement that makes it, or refuses that. After the keys were checked, each of which holds the organization's row: whoever is
-- about to set the first limit waits for that, and what is read here is what they set.
create function run_is_admitted() returns trigger language plpgsql as $$
declare
  today constant text := public.utc_day(new.created_at);
  held constant bigint := public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros);
  b public.budget;
begin
  select * into b from public.budget where org_id = new.org_id;
  if new.runs_per_day is null and b.monthly_limit_micros is null and b.daily_limit_micros is null then
    -- Its plan has no limit any more; should it have one again, it is counted anew.
    if b.run_day is not null then update public.budget set run_day = null where org_id = new.org_id; end if;
    return null;
  end if;
  if b.org_id is null then
    insert into public.budget (org_id, day) values (new.org_id, today) on conflict do nothing;
  end if;
  for attempt in 1 .. 2 loop
    update public.budget set
      reserved_micros = reserved_micros + held,
      run_count = case when run_day = day then run_count + 1 else run_count end,
      changed_at = new.created_at
    where org_id = new.org_id and day >= today
      and (new.runs_per_day is null or (run_day = day and run_count < new.runs_per_day))
      and (not hard_stop or (public.budget_has_room(monthly_limit_micros, month_settled_micros, reserved_micros, held)
        and public.budget_has_room(daily_limit_micros, day_settled_micros, reserved_micros, held)));
    if found then return null; end if;
    select * into b from public.budget where org_id = new.org_id for update;
    exit when attempt = 2 or (b.day >= today and (new.runs_per_day is null or b.run_day = b.day));
    -- The first of a day.
    perform public.budget_rolls(new.org_id, today);
    if new.runs_per_day is not null then
      update public.budget set run_day = day, run_count = (select count(*) from public.run r
        where r.org_id = new.org_id and r.id <> new.id and public.utc_day(r.created_at) = day
          and r.created_at >= (day::timestamp at time zone 'UTC')) where org_id = new.org_id;
    end if;
  end loop;
  select * into b from public.budget where org_id = new.org_id;
  if new.runs_per_day is not null and b.run_count >= new.runs_per_day then
    raise exception using errcode = 'OG003', message = json_build_object('limit', 'runs_per_day', 'max', new.runs_per_day,
      'used', b.run_count, 'resetsAt', to_char(b.day::date + 1, 'YYYY-MM-DD"T00:00:00.000Z"'));
  end if;
  raise exception using errcode = 'OG002', message =
    case when public.budget_has_room(b.monthly_limit_micros, b.month_settled_micros, b.reserved_micros, held)
    then json_build_object('limit', 'DAILY', 'limitMicros', b.daily_limit_micros, 'settledMicros', b.day_settled_micros,
      'reservedMicros', b.reserved_micros, 'resetsAt', to_char(b.day::date + 1, 'YYYY-MM-DD"T00:00:00.000Z"'))
    else json_build_object('limit', 'MONTHLY', 'limitMicros', b.monthly_limit_micros, 'settledMicros', b.month_settled_micros,
      'reservedMicros', b.reserved_micros,
      'resetsAt', to_char(date_trunc('month', b.day::date) + interval '1 month', 'YYYY-MM-DD"T00:00:00.000Z"')) end;
end $$;
create trigger run_is_admitted after insert on run for each row execute function run_is_admitted();

-- What a run is thought to cost where nobody says: what its agent's usually do, 95 of the last 100 not more; else what the agent says. Only where
-- there is a limit to hold it to.
create function run_is_estimated() returns trigger language plpgsql as $$
begin
  if exists (select from public.budget
    where org_id = new.org_id and (monthly_limit_micros is not null or daily_limit_micros is not null)) then
    new.estimated_cost_micros := coalesce(
      (select percentile_disc(0.95) within group (order by total_cost_micros) from (
        select total_cost_micros from public.run
        where org_id = new.org_id and agent_id = new.agent_id and status = 'SUCCEEDED' order by created_at desc, id desc limit 100) as last_ones),
      (select estimated_cost_micros from public.agent where org_id = new.org_id and id = new.agent_id));
  end if;
  return new;
end $$;
create trigger run_is_estimated before insert on run for each row
  when (new.estimated_cost_micros is null and new.agent_id is not null) execute function run_is_estimated();

-- As before, and what it spent and no longer holds is counted in the budget. Where it spent more than was held for it, and nothing is left, it is
-- to be stopped.
create or replace function run_is_used() returns trigger language plpgsql as $$
declare
  tokens bigint := new.total_tokens;
  micros bigint := new.total_cost_micros;
  held_before bigint := 0;
  held bigint := 0;
  -- The clock may have been moved ahead of the database's, where a report came by it.
  at timestamptz(3) := greatest(clock_timestamp(), new.reported_at);
begin
  if tg_op = 'UPDATE' then
    tokens := tokens - old.total_tokens;
    micros := micros - old.total_cost_micros;
    held_before := public.run_holds(old.status, old.estimated_cost_micros, old.total_cost_micros);
    held := public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros) - held_before;
  else
    at := new.created_at; -- what was held for it was counted when it was admitted
  end if;
  if held <> 0 or micros <> 0 then
    -- Whoever is about to set the first limit waits for this, or this for them.
    perform from public.organization where id = new.org_id for key share;
    if public.budget_spends(new.org_id, at, held, micros, public.utc_day(at)) and micros > held_before
      and new.status in ('QUEUED', 'RUNNING') and new.stop_reason is null then
      new.stop_reason := 'BUDGET';
      new.stop_requested_at := at;
    end if;
  end if;
  if tokens <> 0 or micros <> 0 then
    insert into public.usage_event (org_id, metric, quantity, cost_micros, occurred_at, recorded_at, day, reported, run_id, agent_id,
      created_by)
    values (new.org_id, 'tokens', tokens, micros, at, at, public.utc_day(at), true, new.id, new.agent_id, new.created_by);
  end if;
  return new;
end $$;
drop trigger run_is_used_more on run;
create trigger run_is_used_more before update of status, estimated_cost_micros, total_tokens, total_cost_micros on run for each row
  when ((old.status, old.estimated_cost_micros, old.total_tokens, old.total_cost_micros)
    is distinct from (new.status, new.estimated_cost_micros, new.total_tokens, new.total_cost_micros))
  execute function run_is_used();

create function run_is_gone() returns trigger language plpgsql as $$
begin
  perform public.budget_spends(old.org_id, clock_timestamp(),
    -public.run_holds(old.status, old.estimated_cost_micros, old.total_cost_micros), 0, '');
  return null;
end $$;
-- Not where a whole organization goes, which cascades or is purged: its budget goes as well.
create trigger run_is_gone after delete on run for each row
  when (pg_trigger_depth() = 0 and current_user <> 'orgate_purger') execute function run_is_gone();

-- What is recorded beside the runs is a fact, too. Before it is in the ledger: a budget that comes to another day here reads that.
create or replace function usage_is_counted() returns trigger language plpgsql as $$
declare
  spent record;
begin
  for spent in
    select org_id, day, sum(cost_micros)::bigint as micros, max(recorded_at) as at from made where not reported
    group by 1, 2 having sum(cost_micros) <> 0 order by 1, 2
  loop
    perform public.budget_spends(spent.org_id, spent.at, 0, spent.micros, spent.day);
  end loop;
  insert into public.usage_tail (org_id, day, metric, quantity, cost_micros)
  select org_id, day, metric, sum(quantity), sum(cost_micros) from made group by 1, 2, 3 order by 1, 2, 3;
  return null;
end $$;

-- Limits are set: from here on the row counts. What is under way, and counts elsewhere yet, is waited for, before the row is locked; it holds the
-- organization's own, as every row of an organization does that is being made.
create function budget_waits() returns trigger language plpgsql as $$
begin
  perform from public.organization where id = current_setting('app.org_id', true) for update;
  return null;
end $$;
create trigger budget_waits before update of monthly_limit_micros, daily_limit_micros on budget
  for each statement execute function budget_waits();

create function budget_is_set() returns trigger language plpgsql as $$
begin
  new.day := greatest(old.day, public.utc_day(new.changed_at));
  new.day_settled_micros := public.usage_spent(new.org_id, new.day, new.day);
  new.month_settled_micros := public.usage_spent(new.org_id, left(new.day, 7) || '-01', left(new.day, 7) || '-31');
  new.reserved_micros := (select coalesce(sum(public.run_holds(status, estimated_cost_micros, total_cost_micros)), 0)
    from public.run where org_id = new.org_id and status in ('QUEUED', 'RUNNING'));
  return new;
end $$;
create trigger budget_is_set before update of monthly_limit_micros, daily_limit_micros on budget
  for each row execute function budget_is_set();

-- What a limit has reached by now, of its month and of its day, and that it can be gone on where it had been used up.
create function budget_is_used_up(b public.budget) returns boolean
language sql immutable
as $$
  select coalesce(b.hard_stop and (coalesce(b.month_settled_micros >= b.monthly_limit_micros, false)
    or coalesce(b.day_settled_micros >= b.daily_limit_micros, false)), false)
$$;
create function budget_reaches() returns trigger language plpgsql as $$
declare
  reached record;
begin
  for reached in
    insert into public.usage_alert (org_id, period, threshold_percent, limit_micros, settled_micros, crossed_at)
    select new.org_id, period, threshold, limit_micros, settled, new.changed_at
    from (values (new.day, new.daily_limit_micros, new.day_settled_micros),
        (left(new.day, 7), new.monthly_limit_micros, new.month_settled_micros)) as of_period (period, limit_micros, settled),
      unnest(new.alert_thresholds_percent) as threshold
    where limit_micros > 0 and settled::numeric * 100 >= limit_micros::numeric * threshold
    order by period, threshold
    on conflict do nothing returning *
  loop
    perform public.orgate_tell(new.org_id, 'limit.threshold_reached', 'budget', reached.period, jsonb_build_object(
      'threshold_percent', jsonb_build_array(null, reached.threshold_percent),
      'limit_micros', jsonb_build_array(null, reached.limit_micros)));
    insert into public.due_work (org_id, id, kind, subject, due_at)
    values (new.org_id, 'due_' || replace(gen_random_uuid()::text, '-', ''), 'usage-alert',
      reached.period || '/' || reached.threshold_percent, new.changed_at) on conflict do nothing;
  end loop;
  if public.budget_is_used_up(old) and not public.budget_is_used_up(new) then
    perform public.orgate_tell(new.org_id, 'limit.cleared', 'budget', new.org_id, null);
  end if;
  return null;
end $$;
create trigger budget_reaches after update on budget for each row
  when ((old.day_settled_micros, old.month_settled_micros, old.monthly_limit_micros, old.daily_limit_micros, old.alert_thresholds_percent,
    old.hard_stop) is distinct from (new.day_settled_micros, new.month_settled_micros, new.monthly_limit_micros, new.daily_limit_micros,
    new.alert_thresholds_percent, new.hard_stop))
  execute function budget_reaches();
