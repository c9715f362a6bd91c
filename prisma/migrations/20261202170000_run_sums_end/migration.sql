-- What runs used is added up in the ledger, and nobody reads their sums here any more: a report that moves totals only writes no row of
-- counts, which others of its slot would wait for.
drop trigger run_is_counted_anew on run;
create or replace function count_run() returns trigger language plpgsql as $$
begin
  insert into public.run_usage as known (org_id, period, slot, awaiting_approval, queued, running, succeeded, failed, cancelled)
  select org_id, to_char(created_at at time zone 'UTC', 'YYYY-MM'), pg_backend_pid() % 16,
         coalesce(sum(sign) filter (where status = 'AWAITING_APPROVAL'), 0),
         coalesce(sum(sign) filter (where status = 'QUEUED'), 0), coalesce(sum(sign) filter (where status = 'RUNNING'), 0),
         coalesce(sum(sign) filter (where status = 'SUCCEEDED'), 0), coalesce(sum(sign) filter (where status = 'FAILED'), 0),
         coalesce(sum(sign) filter (where status = 'CANCELLED'), 0)
  from (
    select old.org_id, old.created_at, old.status, -1 as sign where tg_op <> 'INSERT'
    union all
    select new.org_id, new.created_at, new.status, 1 where tg_op <> 'DELETE'
  ) as change
  group by 1, 2
  order by 1, 2
  on conflict (org_id, period, slot) do update set
    awaiting_approval = known.awaiting_approval + excluded.awaiting_approval,
    queued = known.queued + excluded.queued,
    running = known.running + excluded.running,
    succeeded = known.succeeded + excluded.succeeded,
    failed = known.failed + excluded.failed,
    cancelled = known.cancelled + excluded.cancelled;
  return null;
end $$;
create trigger run_is_counted_anew after update of org_id, created_at, status on run for each row
  when ((old.org_id, old.created_at, old.status) is distinct from (new.org_id, new.created_at, new.status))
  execute function count_run();
-- A migration takes no column away from a release that may still serve.
alter table run_usage alter column total_tokens set default 0, alter column total_cost_micros set default 0;
