-- As before; and a limit that is used up is looked at once its day is over, whether anybody starts something then or not: that there is room again
-- is told when there is.
create or replace function budget_reaches() returns trigger language plpgsql as $$
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
  if public.budget_is_used_up(new) and not public.budget_is_used_up(old) then
    insert into public.due_work (org_id, id, kind, subject, due_at)
    values (new.org_id, 'due_' || replace(gen_random_uuid()::text, '-', ''), 'limit-clears', 'budget',
      (new.day::date + 1)::timestamp at time zone 'UTC')
    on conflict (org_id, kind, subject) do update set wanted_at = excluded.due_at where due_work.taken_at is not null;
  end if;
  return null;
end $$;
