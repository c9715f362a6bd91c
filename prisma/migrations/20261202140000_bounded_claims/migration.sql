-- A claim takes what it takes however much waits, and however many cannot be served: what a used-up limit holds back is not read through.

-- Whether something is held for the run: where a limit is used up these begin, and no others.
alter table run_queue add column is_reserved boolean not null default false;
alter table run no force row level security;
alter table run_queue no force row level security;
update run_queue q set is_reserved = true from run r
  where r.org_id = q.org_id and r.id = q.run_id and run_holds(r.status, r.estimated_cost_micros, r.total_cost_micros) > 0;
alter table run force row level security;
alter table run_queue force row level security;
create index run_queue_pool_reserved_idx on run_queue (org_id, pool, priority desc, created_at, run_id) where available_at is null and is_reserved;
create index run_queue_priority_reserved_idx on run_queue (org_id, priority desc, created_at, run_id) where available_at is null and is_reserved;
create index run_queue_agent_reserved_idx on run_queue (org_id, agent_id, priority desc, created_at, run_id) where available_at is null and is_reserved;

-- Whoever is not to be looked at yet is told from the index alone.
drop index run_turn_pool_virtual_time_idx;
create index run_turn_pool_virtual_time_idx on run_turn (pool, virtual_time, org_id, look_at) where state <> 'IDLE';

-- As before; and a turn is SPENT that has nothing queued but what a used-up limit holds back. Whatever is held for a run, it is woken by that.
create or replace function run_is_awaited() returns trigger language plpgsql as $$
declare
  its_pool text;
  its_state text;
  its_look timestamptz;
  holds constant boolean := public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros) > 0;
begin
  if tg_op = 'UPDATE' and old.status = 'QUEUED' then
    delete from public.run_queue where org_id = new.org_id and run_id = new.id;
  end if;
  if tg_op = 'UPDATE' and old.status = 'RUNNING' then
    update public.run_turn set look_at = 'epoch' where org_id = new.org_id and state = 'LIMITED' and look_at > 'epoch';
  end if;
  if new.status <> 'QUEUED' then return null; end if;
  its_pool := coalesce((select pool from public.agent where org_id = new.org_id and id = new.agent_id), 'default');
  insert into public.run_queue (org_id, run_id, agent_id, pool, priority, created_at, is_reserved)
  values (new.org_id, new.id, new.agent_id, its_pool, new.priority, new.created_at, holds);
  -- Whoever finds nothing queued, and is about to say so, waits for this, or this for them.
  select state, look_at into its_state, its_look from public.run_turn where org_id = new.org_id and pool = its_pool for key share;
  if its_state is null then
    insert into public.run_turn (org_id, pool, state, look_at) values (new.org_id, its_pool, 'DELAYED', 'epoch') on conflict do nothing;
    select state, look_at into its_state, its_look from public.run_turn where org_id = new.org_id and pool = its_pool for key share;
  end if;
  if its_state = 'IDLE' or ((its_state = 'DELAYED' or (its_state = 'SPENT' and holds)) and its_look > 'epoch') then
    update public.run_turn set state = 'DELAYED', look_at = 'epoch' where org_id = new.org_id and pool = its_pool;
  end if;
  return null;
end $$;

-- What is held for a run that waits is used up by what it reports, or is held again.
create function run_is_awaited_otherwise() returns trigger language plpgsql as $$
begin
  update public.run_queue set is_reserved = public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros) > 0
    where org_id = new.org_id and run_id = new.id;
  return null;
end $$;
create trigger run_is_awaited_otherwise after update of estimated_cost_micros, total_cost_micros on run for each row
  when (old.status = 'QUEUED' and new.status = 'QUEUED'
    and (public.run_holds(old.status, old.estimated_cost_micros, old.total_cost_micros) > 0)
      <> (public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros) > 0))
  execute function run_is_awaited_otherwise();

-- Where there is room again, its runs are looked at with the next claim.
create function budget_lets_begin() returns trigger language plpgsql as $$
begin
  update public.run_turn set look_at = 'epoch' where org_id = new.org_id and state = 'SPENT' and look_at > 'epoch';
  return null;
end $$;
create trigger budget_lets_begin after update on budget for each row
  when (public.budget_is_used_up(old) and not public.budget_is_used_up(new))
  execute function budget_lets_begin();

-- As before; and a plan is made once for each statement, and not for each run of it, which took longer than the statements. An organization that has
-- nothing but what a used-up limit holds back is passed over until that is otherwise. It is read by the statement that waits for it, so that its status, its
-- plan and its limits are of after the wait.
create or replace function claim_runs(
  own text, from_pool text, agents text[], most integer, seconds integer, at timestamptz, plans jsonb,
  by_executor text, by_member text, by_key text, ids text[], hashes text[]
) returns table (claimed_org text, claimed_run text, claim text, attempt integer, expires_at timestamptz)
language plpgsql
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  t record;
  o public.organization;
  candidate record;
  turn_at bigint;
  next_at bigint;
  step bigint;
  wanted integer;
  room integer;
  got integer;
  taken integer := 0;
  tried text[] := '{}';
  ends constant timestamptz(3) := at + seconds * interval '1 second';
  began timestamptz(3) := at;
  waits boolean := false;
  waited boolean := false;
  state_now text;
  look timestamptz;
  its_attempt integer;
  b public.budget;
  is_used_up boolean;
begin
  if by_executor is not null then
    -- Whoever revokes it waits for this claim, and ends it.
    perform from public.executor where id = by_executor and revoked_at is null for share;
    if not found then return; end if;
  end if;
  while taken < most loop
    if own is null then
      perform set_config('role', 'orgate_directory', true), set_config('app.org_id', '', true);
      if waits then
        select org_id, pool, virtual_time, state into t from public.run_turn
          where pool = from_pool and state <> 'IDLE' and look_at <= at and org_id <> all (tried)
            and (agents is null or exists (select from public.run_queue q where q.org_id = run_turn.org_id and q.agent_id = any (agents)))
          order by virtual_time, org_id limit 1 for no key update;
      else
        select org_id, pool, virtual_time, state into t from public.run_turn
          where pool = from_pool and state <> 'IDLE' and look_at <= at and org_id <> all (tried)
            and (agents is null or exists (select from public.run_queue q where q.org_id = run_turn.org_id and q.agent_id = any (agents)))
          order by virtual_time, org_id limit 1 for no key update skip locked;
      end if;
      if t.org_id is null then
        exit when taken > 0 or waited or cardinality(tried) > 0;
        waits := true;
        waited := true;
        continue;
      end if;
      waits := false;
      turn_at := t.virtual_time;
      if t.state <> 'READY' then
        -- It was away: what it might have had meanwhile it does not have now.
        turn_at := greatest(turn_at, coalesce((select max(last_turn) from public.run_turn where pool = from_pool), 0));
        update public.run_turn set state = 'READY', look_at = 'epoch', virtual_time = turn_at
          where org_id = t.org_id and pool = from_pool;
        if turn_at > t.virtual_time then continue; end if;
      end if;
      select min(virtual_time) into next_at from (
        select virtual_time from public.run_turn where pool = from_pool and state <> 'IDLE' and look_at <= at
          and org_id <> t.org_id and org_id <> all (tried) order by virtual_time limit 1) as others;
      perform set_config('role', 'orgate_app', true), set_config('app.org_id', t.org_id, true);
    else
      select own as org_id into t;
      next_at := null;
      turn_at := 0;
    end if;

    got := 0;
    state_now := null;
    -- Whoever lets a run begin elsewhere holds the organization: what is counted here stays so, and what it is read from is of after the wait.
    if own is null then
      select * into o from public.organization where id = t.org_id for no key update skip locked;
      if not found then
        tried := tried || t.org_id;
        continue;
      end if;
    else
      select * into o from public.organization where id = t.org_id for no key update;
    end if;
    step := 1000000 / greatest(coalesce((plans -> o.plan ->> 'weight')::integer, 1), 1);
    if o.status <> 'ACTIVE' or (own is null and o.settings ->> 'agentExecution.executors' = 'OWN') then
      state_now := 'SHUT';
      look := at + interval '1 minute';
    else
      room := public.most_concurrent_runs(o, plans);
      if room is not null then
        room := room - (select count(*) from (select from public.run where org_id = t.org_id and status = 'RUNNING' limit room) as running);
        if room <= 0 then
          state_now := 'LIMITED';
          look := at + interval '1 second';
        end if;
      end if;
    end if;

    if own is not null then
      -- Their stay began in the gateway's time, which may be a moment ahead: no claim of theirs is of before it.
      began := greatest(at, (select joined_at from public.membership where org_id = own and user_id = by_member));
    end if;

    if state_now is null then
      -- Nothing new begins where a limit is used up.
      select * into b from public.budget where org_id = t.org_id;
      is_used_up := coalesce(b.org_id is not null and public.budget_is_used_up(public.budget_on(b, public.utc_day(at))), false);
      -- What failed and waited long enough.
      update public.run_queue set available_at = null where org_id = t.org_id and run_id in (
        select run_id from public.run_queue where org_id = t.org_id and available_at <= at
        order by available_at limit 100 for update skip locked);
      -- As many as are its turn until another's is.
      wanted := case when next_at is null then most - taken else least(most - taken, (next_at - turn_at - 1) / step + 1) end;
      wanted := least(greatest(wanted, 1), coalesce(room, wanted));
      for candidate in
        select picked.run_id from public.claimable_runs(t.org_id, from_pool, agents, wanted, is_used_up) as picked
      loop
        got := got + 1;
        update public.run set status = 'RUNNING', started_at = coalesce(started_at, at), attempts = attempts + 1,
          claim_id = ids[taken + got], reported_at = at, updated_at = at
          where org_id = t.org_id and id = candidate.run_id returning attempts into its_attempt;
        insert into public.run_claim (org_id, id, run_id, attempt, token_hash, executor_id, claimed_by, api_key_id, lease_seconds, claimed_at, expires_at)
        values (t.org_id, ids[taken + got], candidate.run_id, its_attempt, hashes[taken + got], by_executor, by_member, by_key, seconds, began, ends);
        claimed_org := t.org_id;
        claimed_run := candidate.run_id;
        claim := ids[taken + got];
        attempt := its_attempt;
        expires_at := ends;
        return next;
      end loop;
      taken := taken + got;
    end if;
    if own is not null then
      exit;
    end if;

    if got < wanted or state_now is not null then
      -- With other agents, or at another's hands, there may be more: it has its next turn in another claim.
      tried := tried || t.org_id;
      if state_now is null and got = 0 then
        perform from public.run_turn where org_id = t.org_id and pool = from_pool for update skip locked;
        if found then
          look := (select min(available_at) from public.run_queue where org_id = t.org_id and pool = from_pool and available_at is not null);
          if not exists (select from public.run_queue where org_id = t.org_id and pool = from_pool and available_at is null) then
            state_now := case when look is null then 'IDLE' else 'DELAYED' end;
          elsif is_used_up and not exists (select from public.run_queue
            where org_id = t.org_id and pool = from_pool and available_at is null and is_reserved) then
            state_now := 'SPENT';
            -- Another day, or month, has limits of its own.
            look := least(look, at + interval '1 minute', ((public.utc_day(at)::date + 1)::timestamp at time zone 'UTC'));
          end if;
        end if;
      end if;
    end if;
    update public.run_turn set
      virtual_time = turn_at + step * got,
      last_turn = case when got > 0 then turn_at + step * (got - 1) else last_turn end,
      state = coalesce(state_now, 'READY'),
      look_at = case when state_now is null then 'epoch' else coalesce(look, 'epoch') end
      where org_id = t.org_id and pool = from_pool;
    look := null;
    wanted := 0;
  end loop;
  if own is null then
    perform set_config('role', 'orgate_directory', true), set_config('app.org_id', '', true);
  end if;
end $$;

-- As before; and those alone for which something is reserved are found by themselves. However many wait, they are read in the order of an index, and
-- no further than as many as are wanted: whatever PostgreSQL believes to know of how many there are, it has no other way.
create or replace function claimable_runs(org text, from_pool text, agents text[], most integer, held_only boolean) returns table (run_id text)
language plpgsql
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_sort = off
as $$
#variable_conflict use_column
begin
  if held_only then
    if agents is not null then
      return query select q.run_id from (
        select each.* from unnest(agents) as wanted (agent_id) cross join lateral (
          select org_id, run_id, priority, created_at from public.run_queue
          where org_id = org and agent_id = wanted.agent_id and available_at is null and is_reserved and (from_pool is null or pool = from_pool)
          order by priority desc, created_at, run_id limit most
        ) as each
      ) as q join public.run r on r.org_id = q.org_id and r.id = q.run_id
      where r.status = 'QUEUED' order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
    elsif from_pool is not null then
      return query select q.run_id from public.run_queue q join public.run r on r.org_id = q.org_id and r.id = q.run_id
      where q.org_id = org and q.pool = from_pool and q.available_at is null and q.is_reserved and r.status = 'QUEUED'
      order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
    else
      return query select q.run_id from public.run_queue q join public.run r on r.org_id = q.org_id and r.id = q.run_id
      where q.org_id = org and q.available_at is null and q.is_reserved and r.status = 'QUEUED'
      order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
    end if;
  else
    if agents is not null then
      return query select q.run_id from (
        select each.* from unnest(agents) as wanted (agent_id) cross join lateral (
          select org_id, run_id, priority, created_at from public.run_queue
          where org_id = org and agent_id = wanted.agent_id and available_at is null and (from_pool is null or pool = from_pool)
          order by priority desc, created_at, run_id limit most
        ) as each
      ) as q join public.run r on r.org_id = q.org_id and r.id = q.run_id
      where r.status = 'QUEUED' order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
    elsif from_pool is not null then
      return query select q.run_id from public.run_queue q join public.run r on r.org_id = q.org_id and r.id = q.run_id
      where q.org_id = org and q.pool = from_pool and q.available_at is null and r.status = 'QUEUED'
      order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
    else
      return query select q.run_id from public.run_queue q join public.run r on r.org_id = q.org_id and r.id = q.run_id
      where q.org_id = org and q.available_at is null and r.status = 'QUEUED'
      order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
    end if;
  end if;
end $$;

-- What is added up is the database's: whoever serves requests sees to when, and not to what.
create function orgate_refuse_sum() returns trigger language plpgsql as $$
begin
  raise insufficient_privilege using message = format('what %s adds up to is not set', tg_table_name);
end $$;
create trigger usage_total_guarded before insert or update or delete on usage_total for each statement
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0) execute function orgate_refuse_sum();
create trigger usage_share_guarded before insert or update or delete on usage_share for each statement
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0) execute function orgate_refuse_sum();
create trigger usage_tail_guarded before insert on usage_tail for each statement
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0) execute function orgate_refuse_sum();
create trigger usage_tail_fixed before update on usage_tail for each statement
  when (current_user = 'orgate_app') execute function orgate_refuse_sum();
create trigger run_usage_guarded before insert or update on run_usage for each statement
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0) execute function orgate_refuse_sum();
create trigger usage_alert_guarded before insert on usage_alert for each statement
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0) execute function orgate_refuse_sum();

-- What is taken out of the tail goes into the totals, whoever takes it and however.
create function usage_is_folded() returns trigger language plpgsql as $$
begin
  insert into public.usage_share as known (org_id, dimension, day, key, metric, quantity, cost_micros)
  select org_id, of.dimension, day, coalesce(of.key, ''), metric, sum(quantity), sum(cost_micros)
  from taken cross join lateral
    (values ('AGENT', agent_id), ('PERSON', person_id), ('KEY', key_id), ('PROVIDER', provider)) as of (dimension, key)
  group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
  on conflict (org_id, dimension, day, key, metric) do update set
    quantity = known.quantity + excluded.quantity, cost_micros = known.cost_micros + excluded.cost_micros;
  insert into public.usage_total as known (org_id, day, metric, quantity, cost_micros)
  select org_id, day, metric, sum(quantity), sum(cost_micros) from taken group by 1, 2, 3 order by 1, 2, 3
  on conflict (org_id, day, metric) do update set
    quantity = known.quantity + excluded.quantity, cost_micros = known.cost_micros + excluded.cost_micros;
  return null;
end $$;
create trigger usage_is_folded after delete on usage_tail referencing old table as taken for each statement
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0) execute function usage_is_folded();

-- Limits are set; what was spent, what is held and what was started is counted. Before `budget_is_set`, which counts anew.
create function budget_is_guarded() returns trigger language plpgsql as $$
begin
  raise insufficient_privilege using message = 'what a budget counts is not set';
end $$;
create trigger budget_guarded_anew before insert on budget for each row
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0
    and (new.day_settled_micros, new.month_settled_micros, new.reserved_micros, new.run_count) <> (0, 0, 0, 0))
  execute function budget_is_guarded();
create trigger budget_guarded before update on budget for each row
  when (current_user = 'orgate_app' and pg_trigger_depth() = 0
    and (old.day, old.day_settled_micros, old.month_settled_micros, old.reserved_micros, old.run_day, old.run_count)
      is distinct from (new.day, new.day_settled_micros, new.month_settled_micros, new.reserved_micros, new.run_day, new.run_count))
  execute function budget_is_guarded();

-- Of who left and came back, what they claimed before is told from what they claim now.
grant select (claimed_at) on run_claim to orgate_directory;

-- Lost runs are looked for organization by organization, a few of each.
create index run_claim_org_id_expires_at_idx on run_claim (org_id, expires_at) where ended_at is null;
drop index run_claim_expires_at_idx;
