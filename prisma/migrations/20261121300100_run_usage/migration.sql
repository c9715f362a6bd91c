-- What the runs of an organization add up to, by the UTC month in which they were created: kept up to date by whatever
-- changes a run, in the same statement, so that it is exact and never added up from half a million rows.
--
-- A month has several rows, and a connection counts in the one of its own process: who starts runs side by side need not
-- wait for each other. Only all of them together mean something; one alone may well be below zero.
create table run_usage (
  org_id            text not null references organization (id) on delete cascade,
  period            text not null check (period ~ '^\d{4}-\d\d$'),
  slot              integer not null check (slot between 0 and 15),
  queued            bigint not null,
  running           bigint not null,
  succeeded         bigint not null,
  failed            bigint not null,
  cancelled         bigint not null,
  total_tokens      bigint not null,
  total_cost_micros bigint not null,
  primary key (org_id, period, slot)
) with (fillfactor = 50); -- room for new versions of a row beside the old one

-- Runs with what is old counted as less and what is new as more. It runs as whoever changes the run: the policies of both
-- tables hold. Sums stop where a bigint does, far past the last number that is answered, rather than refuse the run.
create function count_run() returns trigger language plpgsql as $$
begin
  insert into public.run_usage as known (org_id, period, slot, queued, running, succeeded, failed, cancelled, total_tokens, total_cost_micros)
  select org_id, to_char(created_at at time zone 'UTC', 'YYYY-MM'), pg_backend_pid() % 16,
         coalesce(sum(sign) filter (where status = 'QUEUED'), 0), coalesce(sum(sign) filter (where status = 'RUNNING'), 0),
         coalesce(sum(sign) filter (where status = 'SUCCEEDED'), 0), coalesce(sum(sign) filter (where status = 'FAILED'), 0),
         coalesce(sum(sign) filter (where status = 'CANCELLED'), 0), sum(sign * total_tokens), sum(sign * total_cost_micros)
  from (
    select old.org_id, old.created_at, old.status, old.total_tokens, old.total_cost_micros, -1 as sign where tg_op <> 'INSERT'
    union all
    select new.org_id, new.created_at, new.status, new.total_tokens, new.total_cost_micros, 1 where tg_op <> 'DELETE'
  ) as change
  group by 1, 2
  order by 1, 2
  on conflict (org_id, period, slot) do update set
    queued = known.queued + excluded.queued,
    running = known.running + excluded.running,
    succeeded = known.succeeded + excluded.succeeded,
    failed = known.failed + excluded.failed,
    cancelled = known.cancelled + excluded.cancelled,
    total_tokens = least(known.total_tokens::numeric + excluded.total_tokens, 9223372036854775807),
    total_cost_micros = least(known.total_cost_micros::numeric + excluded.total_cost_micros, 9223372036854775807);
  return null;
end $$;

create trigger run_is_counted after insert on run for each row execute function count_run();
create trigger run_is_counted_anew after update of org_id, created_at, status, total_tokens, total_cost_micros on run for each row
  when ((old.org_id, old.created_at, old.status, old.total_tokens, old.total_cost_micros)
    is distinct from (new.org_id, new.created_at, new.status, new.total_tokens, new.total_cost_micros))
  execute function count_run();
-- Not where a whole organization goes, which cascades: its sums go as well.
create trigger run_is_counted_out after delete on run for each row when (pg_trigger_depth() = 0) execute function count_run();

-- The runs that are there. They are locked against changes since the triggers were made; the tables' owner sees them only
-- while it is not bound by the policies.
alter table run no force row level security;
insert into run_usage (org_id, period, slot, queued, running, succeeded, failed, cancelled, total_tokens, total_cost_micros)
select org_id, to_char(created_at at time zone 'UTC', 'YYYY-MM'), 0,
       count(*) filter (where status = 'QUEUED'), count(*) filter (where status = 'RUNNING'),
       count(*) filter (where status = 'SUCCEEDED'), count(*) filter (where status = 'FAILED'),
       count(*) filter (where status = 'CANCELLED'),
       least(sum(total_tokens), 9223372036854775807), least(sum(total_cost_micros), 9223372036854775807)
from run group by 1, 2;
alter table run force row level security;

call orgate_isolate('run_usage');
revoke delete on run_usage from orgate_app;
