-- The queue that executors claim runs from. Its rows hold ids, a pool, a priority and times, and nothing of what is to be done: that is read by
-- whoever claimed a run, in its organization alone.

alter table agent
  add column pool text not null default 'default',
  -- What becomes of a run whose executor is lost.
  add column retry_policy jsonb not null default '{"maxAttempts": 3, "backoffSeconds": 10}';
call orgate_record('agent');

alter table run
  -- The more, the earlier among its organization's own.
  add column priority integer not null default 0 check (priority between 0 and 9),
  -- How often it was claimed.
  add column attempts integer not null default 0,
  -- Its last claim: whoever has that reports on it, and nobody else. Null where it was not claimed, or waits again.
  add column claim_id text;
call orgate_record('run', silent => '{input,output,total_tokens,total_cost_micros,idempotency_key,reported_at,estimated_cost_micros,runs_per_day,attempts,claim_id}');

-- A run stands here while it is QUEUED. Whoever holds the run's row has a say in this one, and nobody else.
create table run_queue (
  org_id       text not null references organization (id) on delete cascade,
  run_id       text not null,
  agent_id     text,
  pool         text not null,
  priority     integer not null,
  created_at   timestamptz(3) not null,
  -- Null where it may be claimed; what failed waits until then.
  available_at timestamptz(3),
  primary key (org_id, run_id),
  constraint run_queue_org_id_run_id_fkey foreign key (org_id, run_id) references run (org_id, id)
);
create index run_queue_pool_idx on run_queue (org_id, pool, priority desc, created_at, run_id) where available_at is null;
create index run_queue_priority_idx on run_queue (org_id, priority desc, created_at, run_id) where available_at is null;
create index run_queue_agent_idx on run_queue (org_id, agent_id, priority desc, created_at, run_id) where available_at is null;
create index run_queue_available_at_idx on run_queue (org_id, available_at) where available_at is not null;
call orgate_isolate('run_queue', is_recorded => false);

-- Whose turn it is: start-time fair queueing, one row for an organization and pool, so that a claim takes as long as there are organizations to
-- choose from and not as there are runs. Each claim adds to the virtual time of its organization what its weight makes of it, and the least
-- has the next turn.
create table run_turn (
  org_id       text not null references organization (id) on delete cascade,
  pool         text not null,
  -- When its next turn is, and when its last one was.
  virtual_time bigint not null default 0,
  last_turn    bigint not null default 0,
  -- READY, or: IDLE has nothing queued; DELAYED nothing but what failed and waits; LIMITED as many RUNNING as it may; SHUT lets no executor of the deployment in.
  state        text not null,
  -- When one that is none of READY and IDLE is looked at again.
  look_at      timestamptz(3) not null,
  primary key (org_id, pool)
) with (fillfactor = 50);
create index run_turn_pool_virtual_time_idx on run_turn (pool, virtual_time, org_id) where state <> 'IDLE';
create index run_turn_pool_last_turn_idx on run_turn (pool, last_turn);
call orgate_isolate('run_turn', is_recorded => false);
-- The directory chooses among organizations, and sees of their queues which pool and agents they wait for.
grant select (org_id, pool, virtual_time, last_turn, state, look_at), update (virtual_time, last_turn, state, look_at) on run_turn to orgate_directory;
create policy directory_read on run_turn for select to orgate_directory using (true);
create policy directory_share_out on run_turn for update to orgate_directory using (true) with check (true);
grant select (org_id, pool, agent_id, available_at) on run_queue to orgate_directory;
create policy directory_read on run_queue for select to orgate_directory using (true);

-- A claim of a run: a lease, which its token renews by reporting, and which is over when it ends or says so. They are kept, so that a token that
-- is over is told from one that never was.
create table run_claim (
  org_id        text not null references organization (id) on delete cascade,
  id            text not null,
  run_id        text not null,
  attempt       integer not null,
  token_hash    text not null,
  -- A machine of the deployment; else whoever claimed it in the organization, and their key.
  executor_id   text,
  claimed_by    text,
  api_key_id    text,
  lease_seconds integer not null check (lease_seconds between 1 and 3600),
  claimed_at    timestamptz(3) not null,
  expires_at    timestamptz(3) not null,
  ended_at      timestamptz(3),
  primary key (org_id, id),
  constraint run_claim_org_id_run_id_fkey foreign key (org_id, run_id) references run (org_id, id),
  check ((executor_id is null) <> (claimed_by is null))
);
create index run_claim_org_id_run_id_idx on run_claim (org_id, run_id);
create index run_claim_id_idx on run_claim (id);
create index run_claim_expires_at_idx on run_claim (expires_at) where ended_at is null;
create index run_claim_executor_id_idx on run_claim (executor_id) where ended_at is null;
call orgate_isolate('run_claim', is_recorded => false);
grant select (org_id, id, run_id, attempt, token_hash, executor_id, claimed_by, api_key_id, expires_at, ended_at), update (expires_at)
  on run_claim to orgate_directory;
create policy directory_read on run_claim for select to orgate_directory using (true);
create policy directory_end on run_claim for update to orgate_directory using (true) with check (true);

-- What is queued stands in the queue, in the statement that queues it, and what is not does not. It fires behind what lets a run in, whose row it
-- must not wait for, and before what counts it, which others wait for.
create function run_is_awaited() returns trigger language plpgsql as $$
declare
  its_pool text;
  its_state text;
  its_look timestamptz;
begin
  if tg_op = 'UPDATE' and old.status = 'QUEUED' then
    delete from public.run_queue where org_id = new.org_id and run_id = new.id;
  end if;
  if tg_op = 'UPDATE' and old.status = 'RUNNING' then
    update public.run_turn set look_at = 'epoch' where org_id = new.org_id and state = 'LIMITED' and look_at > 'epoch';
  end if;
  if new.status <> 'QUEUED' then return null; end if;
  its_pool := coalesce((select pool from public.agent where org_id = new.org_id and id = new.agent_id), 'default');
  insert into public.run_queue (org_id, run_id, agent_id, pool, priority, created_at)
  values (new.org_id, new.id, new.agent_id, its_pool, new.priority, new.created_at);
  -- Whoever finds nothing queued, and is about to say so, waits for this, or this for them.
  select state, look_at into its_state, its_look from public.run_turn where org_id = new.org_id and pool = its_pool for key share;
  if its_state is null then
    insert into public.run_turn (org_id, pool, state, look_at) values (new.org_id, its_pool, 'DELAYED', 'epoch') on conflict do nothing;
    select state, look_at into its_state, its_look from public.run_turn where org_id = new.org_id and pool = its_pool for key share;
  end if;
  if its_state = 'IDLE' or (its_state = 'DELAYED' and its_look > 'epoch') then
    update public.run_turn set state = 'DELAYED', look_at = 'epoch' where org_id = new.org_id and pool = its_pool;
  end if;
  return null;
end $$;
create trigger run_is_awaited after insert on run for each row when (new.status = 'QUEUED') execute function run_is_awaited();
create trigger run_is_awaited_anew after update of status on run for each row when (old.status <> new.status) execute function run_is_awaited();

-- What belongs to a run goes with it.
create function run_is_forgotten() returns trigger language plpgsql as $$
begin
  delete from public.run_queue where org_id = old.org_id and run_id = old.id;
  delete from public.run_claim where org_id = old.org_id and run_id = old.id;
  return old;
end $$;
create trigger run_is_forgotten before delete on run for each row
  when (pg_trigger_depth() = 0 and current_user <> 'orgate_purger') execute function run_is_forgotten();

-- What lets an organization's runs be claimed may have changed.
create function run_turn_is_reconsidered() returns trigger language plpgsql as $$
begin
  update public.run_turn set look_at = 'epoch' where org_id = new.id and state in ('LIMITED', 'SHUT');
  return null;
end $$;
create trigger run_turn_is_reconsidered after update of status, settings, plan, entitlements, max_concurrent_runs on organization for each row
  when ((old.status, old.settings, old.plan, old.entitlements, old.max_concurrent_runs)
    is distinct from (new.status, new.settings, new.plan, new.entitlements, new.max_concurrent_runs))
  execute function run_turn_is_reconsidered();

-- How many may run at once, as src/permissions/features.ts decides it of the same columns. Null is without a limit.
create function most_concurrent_runs(o public.organization, plans jsonb) returns integer
language sql immutable
as $$
  select least(o.max_concurrent_runs, case when o.entitlements -> 'limits' ? 'concurrent_runs'
    then (o.entitlements -> 'limits' ->> 'concurrent_runs')::integer else (plans -> o.plan ->> 'concurrentRuns')::integer end)
$$;

-- Claims runs for an executor of the deployment (`from_pool`), or in one organization (`own`). The directory chooses whose turn it is; what is
-- done in an organization is done in its own frame, which sees nothing else. Locks are taken in one order, a turn before an organization before
-- a run, and nobody who holds one of another waits for the next: they skip what is held. Who has claimed nothing waits, once, for a
-- turn that another holds.
create function claim_runs(
  own text, from_pool text, agents text[], most integer, seconds integer, at timestamptz, plans jsonb,
  by_executor text, by_member text, by_key text, ids text[], hashes text[]
) returns table (claimed_org text, claimed_run text, claim text, attempt integer, expires_at timestamptz)
language plpgsql
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
    select * into o from public.organization where id = t.org_id;
    step := 1000000 / greatest(coalesce((plans -> o.plan ->> 'weight')::integer, 1), 1);
    if o.status <> 'ACTIVE' or (own is null and o.settings ->> 'agentExecution.executors' = 'OWN') then
      state_now := 'SHUT';
      look := at + interval '1 minute';
    else
      -- Whoever lets a run begin elsewhere holds the organization: what is counted here stays so.
      if own is null then
        perform from public.organization where id = t.org_id for no key update skip locked;
        if not found then
          tried := tried || t.org_id;
          continue;
        end if;
      else
        perform from public.organization where id = t.org_id for no key update;
      end if;
      room := public.most_concurrent_runs(o, plans);
      if room is not null then
        room := room - (select count(*) from (select from public.run where org_id = t.org_id and status = 'RUNNING' limit room) as running);
        if room <= 0 then
          state_now := 'LIMITED';
          look := at + interval '1 second';
        end if;
      end if;
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
        values (t.org_id, ids[taken + got], candidate.run_id, its_attempt, hashes[taken + got], by_executor, by_member, by_key, seconds, at, ends);
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
        if found and not exists (select from public.run_queue where org_id = t.org_id and pool = from_pool and available_at is null) then
          look := (select min(available_at) from public.run_queue where org_id = t.org_id and pool = from_pool);
          state_now := case when look is null then 'IDLE' else 'DELAYED' end;
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

-- The next runs of an organization (those alone for which something is reserved, where a limit is used up), held until the transaction ends; what others hold is passed over.
create function claimable_runs(org text, from_pool text, agents text[], most integer, held_only boolean) returns table (run_id text)
language plpgsql
as $$
#variable_conflict use_column
begin
  if agents is not null then
    return query select q.run_id from (
      select each.* from unnest(agents) as wanted (agent_id) cross join lateral (
        select org_id, run_id, priority, created_at from public.run_queue
        where org_id = org and agent_id = wanted.agent_id and available_at is null and (from_pool is null or pool = from_pool)
        order by priority desc, created_at, run_id limit most
      ) as each
    ) as q join public.run r on r.org_id = q.org_id and r.id = q.run_id
    where r.status = 'QUEUED'
      and (not held_only or public.run_holds(r.status, r.estimated_cost_micros, r.total_cost_micros) > 0)
    order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
  elsif from_pool is not null then
    return query select q.run_id from public.run_queue q join public.run r on r.org_id = q.org_id and r.id = q.run_id
    where q.org_id = org and q.pool = from_pool and q.available_at is null and r.status = 'QUEUED'
      and (not held_only or public.run_holds(r.status, r.estimated_cost_micros, r.total_cost_micros) > 0)
    order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
  else
    return query select q.run_id from public.run_queue q join public.run r on r.org_id = q.org_id and r.id = q.run_id
    where q.org_id = org and q.available_at is null and r.status = 'QUEUED'
      and (not held_only or public.run_holds(r.status, r.estimated_cost_micros, r.total_cost_micros) > 0)
    order by q.priority desc, q.created_at, q.run_id limit most for update of r skip locked;
  end if;
end $$;

-- Who waited so far.
alter table run no force row level security;
alter table agent no force row level security;
alter table run_queue no force row level security;
alter table run_turn no force row level security;
insert into run_queue (org_id, run_id, agent_id, pool, priority, created_at)
select org_id, id, agent_id, 'default', 0, created_at from run where status = 'QUEUED';
insert into run_turn (org_id, pool, state, look_at) select distinct org_id, pool, 'DELAYED', 'epoch'::timestamptz from run_queue;
alter table run force row level security;
alter table agent force row level security;
alter table run_queue force row level security;
alter table run_turn force row level security;
