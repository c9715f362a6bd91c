-- What a member is told of, once for each reason: in their list, by mail, or both. It is theirs alone, within this organization.
create table notification (
  org_id    text not null references organization (id) on delete cascade,
  id        text not null,
  user_id   text not null,
  kind      text not null check (kind in ('ALERT', 'APPROVAL', 'INVITATION', 'ENDING_KEY', 'VENDOR_ACCESS')),
  text      text not null check (length(text) between 1 and 1000),
  target_id text,
  -- What it is told of once, however often that is tried.
  occasion  text not null,
  -- False where they want a mail of it, and nothing in their list.
  is_listed boolean not null,
  at        timestamptz(3) not null,
  read_at   timestamptz(3),
  primary key (org_id, id),
  constraint notification_org_id_user_id_occasion_key unique (org_id, user_id, occasion),
  constraint notification_org_id_user_id_fkey foreign key (org_id, user_id) references membership (org_id, user_id)
);
create index notification_org_id_user_id_id_idx on notification (org_id, user_id, id);
create index notification_unread_idx on notification (org_id, user_id, id) where is_listed and read_at is null;
create index notification_org_id_at_idx on notification (org_id, at);
call orgate_isolate('notification', is_recorded => false);

-- What a member wants to be told of, and in which ways, where that is not both.
create table notification_preference (
  org_id     text not null references organization (id) on delete cascade,
  user_id    text not null,
  kind       text not null check (kind in ('ALERT', 'APPROVAL', 'INVITATION', 'ENDING_KEY', 'VENDOR_ACCESS')),
  is_listed  boolean not null,
  is_mailed  boolean not null,
  updated_at timestamptz(3) not null default current_timestamp,
  primary key (org_id, user_id, kind),
  constraint notification_preference_org_id_user_id_fkey foreign key (org_id, user_id) references membership (org_id, user_id),
  -- Whoever is looked at is told, whatever they chose.
  constraint vendor_access_is_mailed check (kind <> 'VENDOR_ACCESS' or is_mailed)
);
call orgate_isolate('notification_preference', is_recorded => false);
call orgate_record('notification_preference', key_column => 'user_id');

-- Of each member the last 500 are kept, and of an organization what is not too old: that is looked for once it is.
create function notification_is_bounded() returns trigger language plpgsql as $$
begin
  -- What somebody else is deleting meanwhile is left to them: nobody waits.
  delete from public.notification n using (
    select earlier.org_id, earlier.id from (select distinct org_id, user_id from made) as told
      cross join lateral (select last.id from public.notification last
        where last.org_id = told.org_id and last.user_id = told.user_id order by last.id desc offset 499 limit 1) as kept
      join public.notification earlier
        on earlier.org_id = told.org_id and earlier.user_id = told.user_id and earlier.id < kept.id
    for update of earlier skip locked
  ) as gone where n.org_id = gone.org_id and n.id = gone.id;
  insert into public.due_work (org_id, id, kind, subject, due_at)
  select org_id, 'due_' || replace(gen_random_uuid()::text, '-', ''), 'notifications-lapse', 'notifications', max(at) + interval '90 days'
  from made group by org_id
  on conflict do nothing;
  return null;
end $$;
create trigger notification_is_bounded after insert on notification referencing new table as made
  for each statement execute function notification_is_bounded();

-- Whoever is removed leaves neither behind, in whatever way they go: should they come back, they begin anew.
create function notification_goes_with_member() returns trigger language plpgsql as $$
begin
  delete from public.notification where org_id = new.org_id and user_id = new.user_id;
  delete from public.notification_preference where org_id = new.org_id and user_id = new.user_id;
  return null;
end $$;
create trigger notification_goes_with_member after update of status on membership for each row
  when (new.status = 'REMOVED' and old.status <> 'REMOVED') execute function notification_goes_with_member();
