-- What happens in an organization is told to addresses of its own: entries of its record, once they are sealed.
create table webhook (
  org_id                text not null references organization (id) on delete cascade,
  id                    text not null,
  url                   text not null,
  -- Actions of the record; '*' is all.
  events                text[] not null,
  status                text not null default 'ACTIVE' check (status in ('ACTIVE', 'DISABLED')),
  disabled_because      text check (disabled_because in ('BY_HAND', 'GONE', 'FAILED')),
  -- From when on it is told nothing.
  untold_since          timestamptz(3),
  -- Sealed under a data key of the organization.
  secret                text not null,
  secret_made_at        timestamptz(3) not null,
  -- The one before, which signs as well for a while.
  previous_secret       text,
  previous_secret_until timestamptz(3),
  -- The last place of the record that was looked at: what is to be told of it, and of all before, is a delivery or was one.
  handled_to            bigint not null,
  created_at            timestamptz(3) not null default current_timestamp,
  updated_at            timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint webhook_disabled_check check ((status = 'DISABLED') = (disabled_because is not null)),
  constraint webhook_previous_secret_check check ((previous_secret is null) = (previous_secret_until is null))
);
call orgate_isolate('webhook', is_recorded => false);
call orgate_record('webhook', secret => '{secret,previous_secret}', silent => '{handled_to}');

-- What is to be told, and is not yet: so few of a webhook at once that however much there is behind them costs nothing.
create table webhook_delivery (
  org_id     text not null references organization (id) on delete cascade,
  id         text not null,
  webhook_id text not null,
  -- The entry's; of a test its own.
  event_id   text not null,
  event      text not null,
  -- Of a test, none.
  sequence   bigint,
  body       text not null,
  attempts   integer not null default 0,
  due_at     timestamptz(3) not null,
  happened_at timestamptz(3) not null,
  created_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, id),
  constraint webhook_delivery_org_id_webhook_id_event_id_key unique (org_id, webhook_id, event_id),
  constraint webhook_delivery_org_id_webhook_id_fkey foreign key (org_id, webhook_id) references webhook (org_id, id)
);
create index webhook_delivery_org_id_webhook_id_due_at_idx on webhook_delivery (org_id, webhook_id, due_at);
call orgate_isolate('webhook_delivery', is_recorded => false);

-- What became of it, each time; the last thousand of a webhook.
create table webhook_attempt (
  org_id      text not null references organization (id) on delete cascade,
  id          text not null,
  webhook_id  text not null,
  delivery_id text not null,
  event       text not null,
  sequence    bigint,
  at          timestamptz(3) not null,
  -- Null where none was answered.
  status      integer,
  problem     text check (problem in ('TIMEOUT', 'UNREACHABLE', 'INSIDE', 'STATUS')),
  duration_ms integer not null,
  answer      text,
  primary key (org_id, id),
  constraint webhook_attempt_org_id_webhook_id_fkey foreign key (org_id, webhook_id) references webhook (org_id, id)
);
create index webhook_attempt_org_id_webhook_id_id_idx on webhook_attempt (org_id, webhook_id, id);
create index webhook_attempt_org_id_delivery_id_idx on webhook_attempt (org_id, delivery_id);
call orgate_isolate('webhook_attempt', is_recorded => false);

-- Whatever is sealed wakes the webhooks that want it, in the transaction that seals: it is told by whichever process lives. One row of work for
-- each webhook, however much there is. Where an organization has none, one look at an index finds that out for all that is sealed at once.
grant select (org_id, id, status, events) on webhook to orgate_sealer;
create policy seal_wakes on webhook for select to orgate_sealer using (org_id = (select current_setting('app.org_id', true)));
grant select (org_id, kind, subject, due_at, taken_at, attempts), insert (org_id, id, kind, subject, due_at), update (due_at, wanted_at)
  on due_work to orgate_sealer;
create policy seal_wakes on due_work for all to orgate_sealer
  using (org_id = (select current_setting('app.org_id', true)) and kind = 'webhook')
  with check (org_id = (select current_setting('app.org_id', true)) and kind = 'webhook');

-- What failed waits, however much is sealed meanwhile: each sealed event would be a try of it, and in a busy organization the tries of an hour would be
-- used up in seconds.
create function seal_wakes_webhooks() returns trigger
language plpgsql
as $$
begin
  insert into due_work (org_id, id, kind, subject, due_at)
  select w.org_id, 'due_' || replace(gen_random_uuid()::text, '-', ''), 'webhook', w.id, current_timestamp
  from webhook w
  where w.org_id = (select current_setting('app.org_id', true)) and w.status = 'ACTIVE'
    and (w.events = '{*}' or exists (
      select from sealed s join audit_entry e on e.org_id = s.org_id and e.number = s.number where e.action = any (w.events)))
  on conflict (org_id, kind, subject) do update set
    due_at = case when due_work.taken_at is null and due_work.attempts = 0
      then least(due_work.due_at, excluded.due_at) else due_work.due_at end,
    wanted_at = case when due_work.taken_at is not null then excluded.due_at end;
  return null;
end $$;
create trigger seal_wakes_webhooks after insert on audit_seal
  referencing new table as sealed for each statement execute function seal_wakes_webhooks();
