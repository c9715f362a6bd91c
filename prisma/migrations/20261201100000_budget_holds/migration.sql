-- What a limit did not hold: what begins from the queue, what is corrected, and the first limit beside those who start.

-- Whoever deleted a budget would lift its limits, and would not say so.
revoke delete on budget from orgate_app;

-- Cancelled is a reason to stop, too: it is told by the status, and kept nowhere.
alter table run drop constraint run_stop_reason_check,
  add constraint run_stop_reason_check check (stop_reason in ('BUDGET', 'CANCELLED'));

-- Whether a budget has room for so much more. Where nothing is left, also what costs nothing has none. What was corrected below zero, since what
-- it corrects counted elsewhere, makes no more room than there is.
create or replace function budget_has_room(limit_micros bigint, settled bigint, reserved bigint, more bigint) returns boolean
language sql immutable
as $$
  select limit_micros is null or (greatest(settled, 0)::numeric + reserved < limit_micros
    and greatest(settled, 0)::numeric + reserved + more <= limit_micros)
$$;

-- At the last number that a bigint has nobody knows any more what a sum is; it stays there until it is added up anew.
create function budget_adds(settled bigint, more bigint) returns bigint
language sql immutable
as $$
  select case when settled = 9223372036854775807 then settled
    else greatest(least(settled::numeric + more, 9223372036854775807), -9223372036854775807)::bigint end
$$;

-- As before; and after the organization's row, as everybody who makes a row of it: whoever sets limits takes that first, too.
create or replace function budget_spends(org text, at timestamptz, held bigint, spent bigint, spent_on text) returns boolean
language plpgsql as $$
declare
  today constant text := public.utc_day(at);
  b public.budget;
begin
  -- Who has no limit finds no row, and waits for none.
  perform from public.budget where org_id = org and (monthly_limit_micros is not null or daily_limit_micros is not null);
  if not found then return false; end if;
  perform from public.organization where id = org for key share;
  select * into b from public.budget
    where org_id = org and (monthly_limit_micros is not null or daily_limit_micros is not null) for update;
  if not found then return false; end if;
  if b.day < today then perform public.budget_rolls(org, today); end if;
  update public.budget set
    reserved_micros = reserved_micros + held,
    day_settled_micros = case when day = spent_on then public.budget_adds(day_settled_micros, spent) else day_settled_micros end,
    month_settled_micros = case when left(day, 7) = left(spent_on, 7) then public.budget_adds(month_settled_micros, spent)
      else month_settled_micros end,
    changed_at = at
  where org_id = org returning * into b;
  return b.hard_stop and (
    coalesce(greatest(b.month_settled_micros, 0)::numeric + b.reserved_micros > b.monthly_limit_micros, false)
    or coalesce(greatest(b.day_settled_micros, 0)::numeric + b.reserved_micros > b.daily_limit_micros, false));
end $$;

-- As before; and what stands at the last number is added up again, now that the ledger has it all.
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
  insert into public.usage_tail (org_id, day, metric, quantity, cost_micros)
  select org_id, day, metric, sum(quantity), sum(cost_micros) from made group by 1, 2, 3 order by 1, 2, 3;
  update public.budget b set
    day_settled_micros = public.usage_spent(b.org_id, b.day, b.day),
    month_settled_micros = public.usage_spent(b.org_id, left(b.day, 7) || '-01', left(b.day, 7) || '-31')
  where b.org_id in (select org_id from made) and 9223372036854775807 in (b.day_settled_micros, b.month_settled_micros)
    and (b.monthly_limit_micros is not null or b.daily_limit_micros is not null);
  return null;
end $$;

-- As before; and whoever is about to set the first limit waits for this, or this for them: what is let in is held to what it is thought to cost.
create or replace function run_is_estimated() returns trigger language plpgsql as $$
begin
  perform from public.organization where id = new.org_id for key share;
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

-- A budget as it is on a day that its row may not have come to yet. Locks nothing.
create function budget_on(b public.budget, today text) returns public.budget
language plpgsql stable as $$
begin
  if b.day < today then
    b.day_settled_micros := public.usage_spent(b.org_id, today, today);
    if left(b.day, 7) < left(today, 7) then
      b.month_settled_micros := public.usage_spent(b.org_id, left(today, 7) || '-01', left(today, 7) || '-31');
    end if;
    b.day := today;
  end if;
  return b;
end $$;

-- Whoever reports on a run, or begins it, while nothing is held for it is to stop once a limit is used up, whatever the report says. Where there is
-- room again it goes on. Reads a row and locks none, for it is asked by every sign of life.
create function run_is_heard() returns trigger language plpgsql as $$
declare
  at constant timestamptz(3) := greatest(clock_timestamp(), new.reported_at);
  b public.budget;
begin
  if public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros) > 0 then return new; end if;
  select * into b from public.budget
    where org_id = new.org_id and hard_stop and (monthly_limit_micros is not null or daily_limit_micros is not null);
  if found then b := public.budget_on(b, public.utc_day(at)); end if;
  if new.stop_reason is null and b.org_id is not null and public.budget_is_used_up(b) then
    new.stop_reason := 'BUDGET';
    new.stop_requested_at := at;
  elsif new.stop_reason = 'BUDGET' and (b.org_id is null
    or (public.budget_has_room(b.monthly_limit_micros, b.month_settled_micros, b.reserved_micros, 0)
      and public.budget_has_room(b.daily_limit_micros, b.day_settled_micros, b.reserved_micros, 0))) then
    new.stop_reason := null;
    new.stop_requested_at := null;
  end if;
  return new;
end $$;
-- Before `run_is_used_more`, which has the last word on what this report costs.
create trigger run_is_heard before update of reported_at, status on run for each row
  when (new.status in ('QUEUED', 'RUNNING')
    and (old.reported_at, old.status) is distinct from (new.reported_at, new.status))
  execute function run_is_heard();
