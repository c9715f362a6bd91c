-- A plan may say how many requests an organization makes in a month. None is refused for it: OWNERs are told, as they are of what is spent, at the
-- first crossing of each threshold in its month.

-- Whoever counts requests says with them how many the plan has. What others counted, and did not commit yet, is waited for: of two that cross
-- together the second sees the first.
create function calls_reach() returns trigger language plpgsql as $$
declare
  its_month constant text := left(new.day, 7);
  most constant bigint := (new.attributes::jsonb ->> 'max')::bigint;
  used numeric;
  reached record;
begin
  perform pg_advisory_xact_lock(hashtextextended('api_calls of ' || new.org_id, 0));
  -- What is added now is in no sum yet.
  select coalesce(sum(quantity), 0) + new.quantity into used from public.usage_sum
    where org_id = new.org_id and metric = 'api_calls' and day between its_month || '-01' and its_month || '-31';
  for reached in
    insert into public.usage_alert (org_id, period, metric, threshold_percent, limit_micros, settled_micros, max_quantity, used_quantity, crossed_at)
    select new.org_id, its_month, 'api_calls', threshold, 0, 0, most, used, new.recorded_at
    from unnest(coalesce((select alert_thresholds_percent from public.budget where org_id = new.org_id), '{80,100}')) as threshold
    where used > 0 and used * 100 >= most::numeric * threshold
    order by threshold
    on conflict do nothing returning *
  loop
    perform public.orgate_tell(new.org_id, 'limit.threshold_reached', 'budget', its_month, jsonb_build_object(
      'metric', jsonb_build_array(null, reached.metric),
      'threshold_percent', jsonb_build_array(null, reached.threshold_percent),
      'max', jsonb_build_array(null, reached.max_quantity)));
    insert into public.due_work (org_id, id, kind, subject, due_at)
    values (new.org_id, 'due_' || replace(gen_random_uuid()::text, '-', ''), 'calls-alert',
      its_month || '/' || reached.threshold_percent, new.recorded_at) on conflict do nothing;
  end loop;
  return null;
end $$;
create trigger calls_reach after insert on usage_event for each row
  when (new.metric = 'api_calls' and new.created_by = '' and new.attributes is not null and new.corrects is null) execute function calls_reach();

-- Last, as whoever records usage takes the two tables in this order.
alter table usage_alert
  -- Of which limit: `cost`, or a metric.
  add column metric text not null default 'cost',
  -- Of a metric, how many there may be and how many there were; of it the amounts of money are zero.
  add column max_quantity bigint,
  add column used_quantity bigint,
  add constraint usage_alert_metric_check check ((metric = 'cost') = (max_quantity is null) and (max_quantity is null) = (used_quantity is null)),
  drop constraint usage_alert_pkey,
  add primary key (org_id, period, metric, threshold_percent);
