-- What people have to allow before it is done. A run that waits for them is AWAITING_APPROVAL: nothing is held for it, and it stands in no queue.

alter table run
  drop constraint run_status_check,
  add constraint run_status_check
    check (status in ('AWAITING_APPROVAL', 'QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')) not valid,
  -- When it was let go on; null where nobody had to.
  add column approved_at timestamptz(3);
alter table run validate constraint run_status_check;
call orgate_record('run', silent => '{input,output,total_tokens,total_cost_micros,idempotency_key,reported_at,estimated_cost_micros,runs_per_day,attempts,claim_id,approved_at}');

-- Counts up with every change of what an agent does, whichever door it comes by. Nothing else of it says anything of what is done.
alter table agent add column version integer not null default 1 check (version > 0);
call orgate_record('agent', silent => '{version}');
create function agent_does_otherwise() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  return new;
end $$;
create trigger agent_does_otherwise before update of name, repository_id, pool, retry_policy, credential_ids on agent for each row
  when ((old.name, old.repository_id, old.pool, old.retry_policy, old.credential_ids)
    is distinct from (new.name, new.repository_id, new.pool, new.retry_policy, new.credential_ids))
  execute function agent_does_otherwise();
-- What it does stands in its repository.
create function repository_does_otherwise() returns trigger language plpgsql as $$
begin
  update public.agent set version = version + 1 where org_id = new.org_id and repository_id = new.id;
  return null;
end $$;
create trigger repository_does_otherwise after update of git_url, branch, credential_id on repository for each row
  when ((old.git_url, old.branch, old.credential_id) is distinct from (new.git_url, new.branch, new.credential_id))
  execute function repository_does_otherwise();

create table approval (
  org_id              text not null references organization (id) on delete cascade,
  id                  text not null,
  -- A type and an id, so that what is no run can wait, too.
  subject_type        text not null check (subject_type in ('RUN')),
  subject_id          text not null,
  status              text not null default 'PENDING' check (status in ('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED', 'EXPIRED')),
  submitted_by        text not null,
  -- Whoever made the key that started it.
  key_made_by         text,
  approvers           text[] not null,
  approver_order      text not null check (approver_order in ('ANY', 'ALL', 'SEQUENTIAL')),
  allow_self_approval boolean not null,
  escalation_to       text,
  escalates_at        timestamptz(3),
  escalated_at        timestamptz(3),
  -- Whose turn it was, and who were told so.
  told                text[] not null default '{}',
  auto_approves_at    timestamptz(3),
  expires_at          timestamptz(3) not null,
  input_digest        text not null,
  input_hash          text not null,
  agent_version       integer not null,
  reason              text,
  decided_at          timestamptz(3),
  created_at          timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint approval_org_id_subject_type_subject_id_key unique (org_id, subject_type, subject_id),
  constraint approval_org_id_submitted_by_fkey foreign key (org_id, submitted_by) references membership (org_id, user_id),
  constraint approval_decided_at_check check ((status = 'PENDING') = (decided_at is null))
);
create index approval_org_id_status_id_idx on approval (org_id, status, id);
create index approval_org_id_subject_id_id_idx on approval (org_id, subject_id, id);
create index approval_org_id_submitted_by_idx on approval (org_id, submitted_by);
call orgate_isolate('approval', is_recorded => false);
call orgate_record('approval', silent => '{told,input_digest,agent_version,key_made_by,decided_at}');

create table approval_decision (
  org_id      text not null references organization (id) on delete cascade,
  id          text not null,
  approval_id text not null,
  decided_by  text not null,
  decision    text not null check (decision in ('APPROVE', 'REJECT')),
  input_hash  text not null,
  comment     text,
  created_at  timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  -- Nobody says twice what they think of the same.
  constraint approval_decision_org_id_approval_id_decided_by_input_hash_key unique (org_id, approval_id, decided_by, input_hash),
  constraint approval_decision_org_id_approval_id_fkey foreign key (org_id, approval_id) references approval (org_id, id),
  constraint approval_decision_org_id_decided_by_fkey foreign key (org_id, decided_by) references membership (org_id, user_id)
);
create index approval_decision_org_id_approval_id_id_idx on approval_decision (org_id, approval_id, id);
create index approval_decision_org_id_decided_by_idx on approval_decision (org_id, decided_by);
call orgate_isolate('approval_decision');
revoke update on approval_decision from orgate_app;

-- A run that waits goes on by its approval and no other way, and as what was allowed: whoever changes its agent waits for this, or this for them. What is over
-- stays so, and nothing begins to wait that did not begin so.
create function run_is_allowed() returns trigger language plpgsql as $$
begin
  if old.status <> 'AWAITING_APPROVAL' or new.status not in ('QUEUED', 'CANCELLED') then
    raise exception 'a run that is % does not become %', old.status, new.status;
  end if;
  if new.status = 'CANCELLED' then return new; end if;
  perform from public.approval a where a.org_id = new.org_id and a.subject_type = 'RUN' and a.subject_id = new.id
    and a.status = 'APPROVED';
  if not found then raise exception 'a run that waits to be allowed was not'; end if;
  perform from public.agent g where g.org_id = new.org_id and g.id = new.agent_id and g.version = (
    select a.agent_version from public.approval a where a.org_id = new.org_id and a.subject_type = 'RUN' and a.subject_id = new.id) for share;
  if not found then
    raise exception using errcode = 'OG010', message = json_build_object('reason', 'INPUT_CHANGED');
  end if;
  return new;
end $$;
create trigger run_is_allowed before update of status on run for each row
  when (old.status <> new.status and 'AWAITING_APPROVAL' in (old.status, new.status)) execute function run_is_allowed();

-- What let runs in, apart from who asks: a budget holds so much more from here on, and its plan has another run on this day where one is made, or
-- neither is so and it says why.
create function budget_lets_in(org text, at timestamptz, held bigint, is_spent boolean, per_day integer, made text) returns void
language plpgsql as $$
declare
  today constant text := public.utc_day(at);
  b public.budget;
begin
  for attempt in 1 .. 2 loop
    update public.budget set
      reserved_micros = reserved_micros + held,
      run_count = case when made is not null and run_day = day then run_count + 1 else run_count end,
      changed_at = at
    where org_id = org and day >= today
      and (per_day is null or (run_day = day and run_count < per_day))
      and (not is_spent or not hard_stop or (public.budget_has_room(monthly_limit_micros, month_settled_micros, reserved_micros, held)
        and public.budget_has_room(daily_limit_micros, day_settled_micros, reserved_micros, held)));
    if found then return; end if;
    select * into b from public.budget where org_id = org for update;
    exit when attempt = 2 or (b.day >= today and (per_day is null or b.run_day = b.day));
    -- The first of a day.
    perform public.budget_rolls(org, today);
    if per_day is not null then
      update public.budget set run_day = day, run_count = (select count(*) from public.run r
        where r.org_id = org and r.id <> made and public.utc_day(r.created_at) = day
          and r.created_at >= (day::timestamp at time zone 'UTC')) where org_id = org;
    end if;
  end loop;
  select * into b from public.budget where org_id = org;
  if per_day is not null and b.run_count >= per_day then
    raise exception using errcode = 'OG003', message = json_build_object('limit', 'runs_per_day', 'max', per_day,
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

-- As before; and what waits to be allowed counts among the runs of its day, and spends nothing yet.
create or replace function run_is_admitted() returns trigger language plpgsql as $$
declare
  b public.budget;
begin
  select * into b from public.budget where org_id = new.org_id;
  if new.runs_per_day is null and b.run_day is not null and b.monthly_limit_micros is null and b.daily_limit_micros is null then
    -- Its plan has no limit any more; should it have one again, it is counted anew.
    update public.budget set run_day = null where org_id = new.org_id;
  end if;
  if new.runs_per_day is null and (new.status = 'AWAITING_APPROVAL' or (b.monthly_limit_micros is null and b.daily_limit_micros is null))
  then return null; end if;
  if b.org_id is null then
    insert into public.budget (org_id, day) values (new.org_id, public.utc_day(new.created_at)) on conflict do nothing;
  end if;
  perform public.budget_lets_in(new.org_id, new.created_at,
    public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros), new.status <> 'AWAITING_APPROVAL', new.runs_per_day,
    new.id);
  return null;
end $$;

-- As before; and what was allowed is let in as what is started, or stays as it is.
create or replace function run_is_used() returns trigger language plpgsql as $$
declare
  tokens bigint := new.total_tokens;
  micros bigint := new.total_cost_micros;
  held_before bigint := 0;
  held bigint := 0;
  -- The clock may have been moved ahead of the database's, where a report came by it.
  at timestamptz(3) := greatest(clock_timestamp(), new.reported_at, new.approved_at);
begin
  if tg_op = 'UPDATE' then
    tokens := tokens - old.total_tokens;
    micros := micros - old.total_cost_micros;
    held_before := public.run_holds(old.status, old.estimated_cost_micros, old.total_cost_micros);
    held := public.run_holds(new.status, new.estimated_cost_micros, new.total_cost_micros) - held_before;
  else
    at := new.created_at; -- what was held for it was counted when it was admitted
  end if;
  if tg_op = 'UPDATE' and old.status = 'AWAITING_APPROVAL' and new.status = 'QUEUED' then
    -- Whoever is about to set the first limit waits for this, or this for them.
    perform from public.organization where id = new.org_id for key share;
    perform from public.budget
      where org_id = new.org_id and (monthly_limit_micros is not null or daily_limit_micros is not null);
    if found then perform public.budget_lets_in(new.org_id, at, held, true, null, null); end if;
  elsif held <> 0 or micros <> 0 then
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

-- As before; and those that wait to be allowed are counted.
alter table run_usage add column awaiting_approval bigint not null default 0;
create or replace function count_run() returns trigger language plpgsql as $$
begin
  insert into public.run_usage as known
    (org_id, period, slot, awaiting_approval, queued, running, succeeded, failed, cancelled, total_tokens, total_cost_micros)
  select org_id, to_char(created_at at time zone 'UTC', 'YYYY-MM'), pg_backend_pid() % 16,
         coalesce(sum(sign) filter (where status = 'AWAITING_APPROVAL'), 0),
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
    awaiting_approval = known.awaiting_approval + excluded.awaiting_approval,
    queued = known.queued + excluded.queued,
    running = known.running + excluded.running,
    succeeded = known.succeeded + excluded.succeeded,
    failed = known.failed + excluded.failed,
    cancelled = known.cancelled + excluded.cancelled,
    total_tokens = least(known.total_tokens::numeric + excluded.total_tokens, 9223372036854775807),
    total_cost_micros = least(known.total_cost_micros::numeric + excluded.total_cost_micros, 9223372036854775807);
  return null;
end $$;

-- What was allowed is not done otherwise: where it waits still it is cancelled, so many at once as anyone waits for. Of what is left, or is claimed already, whoever
-- claimed it is not told what to do (src/domains/run/use-claim.ts).
create function agent_runs_otherwise() returns trigger language plpgsql as $$
begin
  update public.run set status = 'CANCELLED', finished_at = clock_timestamp(), error = 'What it does was changed after it was approved.'
  where org_id = new.org_id and status = 'QUEUED' and id in (
    select r.id from public.run r where r.org_id = new.org_id and r.agent_id = new.id and r.status = 'QUEUED' and r.approved_at is not null
    order by r.created_at, r.id limit 1000);
  return null;
end $$;
create trigger agent_runs_otherwise after update on agent for each row
  when (old.version <> new.version) execute function agent_runs_otherwise();

-- As before; and its approval goes with a run.
create or replace function run_is_forgotten() returns trigger language plpgsql as $$
begin
  delete from public.run_queue where org_id = old.org_id and run_id = old.id;
  delete from public.run_claim where org_id = old.org_id and run_id = old.id;
  delete from public.approval_decision d using public.approval a
    where d.org_id = old.org_id and a.org_id = old.org_id and d.approval_id = a.id and a.subject_type = 'RUN' and a.subject_id = old.id;
  delete from public.approval where org_id = old.org_id and subject_type = 'RUN' and subject_id = old.id;
  return old;
end $$;

-- Who cannot decide any more is skipped: where that leaves nobody who is yet to decide, or somebody else to be told, it is looked after at once.
create function member_decides_otherwise() returns trigger language plpgsql as $$
begin
  if current_user <> 'orgate_app' then return null; end if;
  update public.due_work w set
    due_at = case when w.taken_at is null then least(w.due_at, clock_timestamp()) else w.due_at end,
    wanted_at = case when w.taken_at is null then w.wanted_at else clock_timestamp() end
  from public.approval a
  where a.org_id = new.org_id and a.status = 'PENDING' and new.user_id = any (a.approvers)
    and w.org_id = new.org_id and w.kind = 'approval' and w.subject = a.id;
  return null;
end $$;
create trigger member_decides_otherwise after update of status, role, granted, withheld on membership for each row
  when ((old.status, old.role, old.granted, old.withheld) is distinct from (new.status, new.role, new.granted, new.withheld)
    and (old.status = 'ACTIVE' or new.status = 'ACTIVE'))
  execute function member_decides_otherwise();

-- What a run is thought to cost, as before; and what waits to be allowed is estimated whatever limits there are: there may be one by the time that it goes on, and whoever allows it is to see
-- what it costs.
create or replace function run_is_estimated() returns trigger language plpgsql as $$
begin
  perform from public.organization where id = new.org_id for key share;
  if new.status = 'AWAITING_APPROVAL' or exists (select from public.budget
    where org_id = new.org_id and (monthly_limit_micros is not null or daily_limit_micros is not null)) then
    new.estimated_cost_micros := coalesce(
      (select percentile_disc(0.95) within group (order by total_cost_micros) from (
        select total_cost_micros from public.run
        where org_id = new.org_id and agent_id = new.agent_id and status = 'SUCCEEDED' order by created_at desc, id desc limit 100) as last_ones),
      (select estimated_cost_micros from public.agent where org_id = new.org_id and id = new.agent_id));
  end if;
  return new;
end $$;
